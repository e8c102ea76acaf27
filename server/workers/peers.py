"""A worker among the workers of its port: which of them has a session, and RPC to all of them."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from typing import Final

import structlog
from aiohttp import web

from server.workers.handoff import HandedOff, adopt, hand_off
from server.workers.ipc import IpcQueueFull, IpcReceiver, IpcSender
from store.concurrency import Tasks

log = structlog.get_logger("workers")

# A worker that takes nothing for so long hangs: its clients' polls do better to fail.
TIMEOUT_SECONDS: Final = 5.0
_CONNECTION, _METRICS, _READINESS, _ANSWER = b"c", b"?", b"!", b"="
# Whoever hangs is missing from the answers.
_RPC_SECONDS: Final = 1.0
_ADDRESS: Final = struct.Struct(">HI")


class _Open:
    """Answers by worker, until all expected are there."""

    def __init__(self, expected: int) -> None:
        self.answers: dict[int, bytes] = {}
        self.complete = asyncio.Event()
        self._expected = expected

    def add(self, worker: int, answer: bytes) -> None:
        self.answers[worker] = answer
        if len(self.answers) == self._expected:
            self.complete.set()


class PeerRpc:
    """Requests that each worker may make of all the others."""

    def __init__(self, index: int, others: Mapping[int, IpcSender]) -> None:
        self._index = index
        self._others = others
        self._numbers = count()
        self._open: dict[int, _Open] = {}

    async def ask(self, kind: bytes) -> dict[int, bytes]:
        """What the others answered in time, by worker."""
        number = next(self._numbers) & 0xFFFFFFFF
        pending = self._open[number] = _Open(len(self._others))
        question = kind + _ADDRESS.pack(self._index, number)
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(_RPC_SECONDS):
                    await asyncio.gather(*(_post(sender, question) for sender in self._others.values()))
                    await pending.complete.wait()
        finally:
            del self._open[number]
        return pending.answers

    async def answer(self, kind: bytes, question: bytes, answer: bytes) -> None:
        """Answer another worker's question."""
        asker, number = _ADDRESS.unpack(question)
        await _post(self._others[asker], kind + _ADDRESS.pack(self._index, number) + answer)

    def note(self, answer: bytes) -> None:
        """Take another worker's answer; one that comes late, or is meant for a predecessor, has no question."""
        worker, number = _ADDRESS.unpack_from(answer)
        if (pending := self._open.get(number)) is not None:
            pending.add(worker, answer[_ADDRESS.size :])


async def _post(sender: IpcSender, message: bytes) -> None:
    with suppress(IpcQueueFull, OSError):
        await sender.send(message)


@dataclass(frozen=True, slots=True)
class IpcSockets:
    """What a worker reads from, and what each worker is written to with, by index."""

    index: int
    receiver: socket.socket
    senders: Sequence[socket.socket]


class WorkerPeers:
    """Session ids end in the mark of the worker that has the session; requests that name another's go to it.

    The mark needs no incarnation: a worker's successor has none of the sessions and answers so.
    """

    def __init__(
        self,
        sockets: IpcSockets,
        metrics: Callable[[], bytes],
        readiness: Callable[[], Awaitable[bytes]],
        timeout_seconds: float = TIMEOUT_SECONDS,
    ) -> None:
        """``metrics``, ``readiness``: this worker's own."""
        self.index: Final = sockets.index
        self.mark: Final = f".{sockets.index}"
        self.handed_off = 0
        self.adopted = 0
        self._receiver = IpcReceiver(sockets.receiver, self._receive)
        self._senders = [IpcSender(end, timeout_seconds) for end in sockets.senders]
        others = {at: sender for at, sender in enumerate(self._senders) if at != sockets.index}
        self._rpc = PeerRpc(sockets.index, others)
        self._metrics, self._readiness = metrics, readiness
        self._tasks = Tasks()

    def open(self, server: web.Server) -> None:
        """Take connections for ``server`` from now on."""
        self._server = server
        self._receiver.open()

    def close(self) -> None:
        """Take no more."""
        self._receiver.close()

    async def forward(self, request: web.Request, sid: str) -> web.StreamResponse | None:
        """The answer to a request that names a session of another worker; nothing if no other has it."""
        owner = self._owner(sid)
        if owner is None:
            return None
        response = await hand_off(request, self._senders[owner], _CONNECTION)
        if isinstance(response, HandedOff):
            self.handed_off += 1
        return response

    def _owner(self, sid: str) -> int | None:
        number = sid.rpartition(".")[2]
        if not (number.isascii() and number.isdigit() and len(number) <= 3):
            return None
        owner = int(number)
        return owner if owner != self.index and owner < len(self._senders) else None

    async def known(self) -> dict[int, bytes]:
        """The metrics of each worker; one that does not answer in time is left out."""
        return {**await self._rpc.ask(_METRICS), self.index: self._metrics()}

    async def others_readiness(self) -> list[bytes]:
        """Each other worker's ``readiness``; one that does not answer in time is left out."""
        return list((await self._rpc.ask(_READINESS)).values())

    def _receive(self, message: bytes, files: list[int]) -> None:
        kind, content = message[:1], message[1:]
        if kind == _CONNECTION:
            self.adopted += 1
            self._tasks.spawn(self._adopt(files[0], content))
        elif kind in (_METRICS, _READINESS):
            self._tasks.spawn(self._answer(kind, content))
        elif kind == _ANSWER:
            self._rpc.note(content)

    async def _answer(self, kind: bytes, question: bytes) -> None:
        await self._rpc.answer(_ANSWER, question, self._metrics() if kind == _METRICS else await self._readiness())

    async def _adopt(self, file: int, data: bytes) -> None:
        try:
            await adopt(self._server, file, data)
        except OSError as error:
            log.warning("a connection was lost on its way", error=type(error).__name__)
