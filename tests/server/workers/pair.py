"""Two workers as peers in one process, each on a port of its own, so that requests go wrong for certain."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import uvloop
from aiohttp import web

from server.workers.ipc import IpcSender, make_pair
from server.workers.peers import TIMEOUT_SECONDS, IpcSockets, WorkerPeers
from tests.harness.waiting import until
from tests.server.engineio.harness import Harness, Raw

NewLoop = Callable[[], asyncio.AbstractEventLoop]
on_both_loops = pytest.mark.parametrize(
    "loop", [pytest.param(uvloop.new_event_loop, id="uvloop"), pytest.param(asyncio.new_event_loop, id="asyncio")]
)


class Worker(Harness):
    def __init__(self, ipc: IpcSockets, timeout_seconds: float) -> None:
        self.metrics: Callable[[], bytes] = bytes
        self.peers = WorkerPeers(ipc, lambda: self.metrics(), self._ready, timeout_seconds)
        super().__init__(client_address=self._note_peer, mark=self.peers.mark, forward=self.peers.forward)
        self.addresses: list[tuple[str, int]] = []

    async def _ready(self) -> bytes:
        return b"ready"

    def _note_peer(self, request: web.Request) -> str:
        assert request.transport is not None
        self.addresses.append(request.transport.get_extra_info("peername")[:2])
        return request.remote or ""

    def listen(self) -> None:
        """Take what others hand over."""
        self.peers.open(self._server)

    async def stop(self) -> None:
        self.peers.close()
        await super().stop()

    @property
    def _server(self) -> web.Server:
        assert self._runner.server is not None
        return self._runner.server

    @property
    def connections(self) -> int:
        return len(self._server.connections)


class Pair:
    """Sessions of ``owner`` are asked for at ``other``."""

    def __init__(self, owner: Worker, other: Worker) -> None:
        self.owner, self.other = owner, other

    async def arrived(self, count: int = 1) -> None:
        """Waits for so many connections to have been handed over to the owner."""
        await until(lambda: self.owner.peers.adopted >= count)

    def fill_quickly(self) -> None:
        """Let the owner's IPC queue hold little."""
        self._sender._end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8192)

    @property
    def is_full(self) -> bool:
        """Whether the owner's IPC queue has no room for what is to be handed over."""
        return self._sender._sending.locked()

    @property
    def _sender(self) -> IpcSender:
        return self.other.peers._senders[0]

    async def write(self, request: bytes, *, to_owner: bool = False) -> Raw:
        """A connection with a request, to the other worker if nothing is said."""
        raw = await (self.owner if to_owner else self.other).raw()
        raw.writer.write(request)
        return raw


def poll(sid: str) -> bytes:
    return f"GET /engine.io/?EIO=4&transport=polling&sid={sid} HTTP/1.1\r\nHost: a\r\n\r\n".encode()


def post(sid: str, body: bytes, *headers: str, length: bool = True) -> bytes:
    lines = [f"POST /engine.io/?EIO=4&transport=polling&sid={sid} HTTP/1.1", "Host: a", *headers]
    if length:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join((*lines, "", "")).encode() + body


@asynccontextmanager
async def pair(*, listening: bool = True, timeout_seconds: float = TIMEOUT_SECONDS) -> AsyncIterator[Pair]:
    boxes = [make_pair() for _ in range(2)]
    senders = [sender for _, sender in boxes]
    owner, other = (Worker(IpcSockets(at, box[0], senders), timeout_seconds) for at, box in enumerate(boxes))
    for worker in (owner, other):
        await worker.start()
        if listening:
            worker.listen()
    try:
        yield Pair(owner, other)
    finally:
        for worker in (owner, other):
            await worker.stop()
        for end in (end for box in boxes for end in box):
            end.close()


def run(loop: NewLoop, scenario: Coroutine[None, None, None]) -> None:
    """A scenario on a loop of its own."""
    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(scenario)


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))
