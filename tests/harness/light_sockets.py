"""Sockets so light that thousands fit beside the server: a protocol each, no task, no library."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast
from urllib.parse import urlsplit

from domain.wire.events import CONVERSATIONS
from tests.harness.devices import TIMEOUT_SECONDS

_TEXT, _CLOSE = 0x81, 0x88
# Opening thousands at once overruns the backlog.
_AT_ONCE = 200


class Light(asyncio.Protocol):
    """A WebSocket in some namespaces. ``received`` keeps the Socket.IO packets, ``gone`` tells when it was cut."""

    def __init__(self, host: str, token: str, namespaces: Sequence[str]) -> None:
        loop = asyncio.get_running_loop()
        self.received: list[str] = []
        self.admitted: asyncio.Future[None] = loop.create_future()
        self.gone: asyncio.Future[float] = loop.create_future()
        self.transport: asyncio.Transport | None = None
        self._host, self._token = host, token
        self._due = set(namespaces)
        self._waiting: dict[str, asyncio.Future[None]] = {}
        self._buffer = b""
        self._open = False

    # --- what tests do with it ---

    def say(self, packet: str) -> None:
        """A Socket.IO packet."""
        self._frame(_TEXT, b"4" + packet.encode())

    async def until(self, start: str) -> str:
        """What follows ``start`` in the first packet, received or to come, that begins with it."""
        async with asyncio.timeout(TIMEOUT_SECONDS):
            while not (found := [packet for packet in self.received if packet.startswith(start)]):
                waiting = self._waiting[start] = asyncio.get_running_loop().create_future()
                await waiting
        return found[0][len(start) :]

    async def is_usable(self, namespace: str = CONVERSATIONS, ack_id: int = 999_000) -> bool:
        """Whether a command is acknowledged still."""
        self.say(f'2{namespace},{ack_id}["no:such:event",{{}}]')
        return '"unknown_event"' in await self.until(f"3{namespace},{ack_id}[")

    def told(self, event: str) -> list[Any]:
        """The data of each event of a name, over all namespaces."""
        mark = f'["{event}",'
        return [json.loads(p[p.index(mark) :])[1] for p in self.received if p[0] == "2" and mark in p]

    def leave(self) -> None:
        """Drop the connection without a word."""
        if self.transport is not None:
            self.transport.abort()

    # --- the protocol ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Not an instance with uvloop, which has transports of its own.
        self.transport = transport = cast(asyncio.Transport, transport)
        transport.write(
            f"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: {self._host}\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
            .encode()
        )  # fmt: skip

    def connection_lost(self, exc: Exception | None) -> None:
        self._end()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._open:
            head, mark, rest = self._buffer.partition(b"\r\n\r\n")
            if not mark:
                return
            if b" 101 " not in head.partition(b"\r\n")[0]:
                self.admitted.set_exception(ConnectionRefusedError(head.decode()))
                return
            self._open, self._buffer = True, rest
        self._frames()

    def _frames(self) -> None:
        while len(self._buffer) >= 2:
            length, at = self._buffer[1] & 0x7F, 2
            if length >= 126:
                at += 2 if length == 126 else 8
                length = int.from_bytes(self._buffer[2:at], "big")
            if len(self._buffer) < at + length:
                return
            kind, payload = self._buffer[0], self._buffer[at : at + length]
            self._buffer = self._buffer[at + length :]
            if kind == _CLOSE:
                self._frame(_CLOSE, payload[:2])
                self._end()
            elif kind == _TEXT:
                self._packet(payload.decode())

    def _packet(self, packet: str) -> None:
        if packet == "2":
            self._frame(_TEXT, b"3")
        elif packet[0] == "0":
            for namespace in self._due:
                self.say(f"0{namespace},{json.dumps({'token': self._token})}")
        elif packet[0] == "4":
            self._message(packet[1:])

    def _message(self, packet: str) -> None:
        self.received.append(packet)
        if packet[0] in "04" and not self.admitted.done():
            if packet[0] == "4":
                self.admitted.set_exception(ConnectionRefusedError(packet))
                return
            self._due.discard(packet[1:].partition(",")[0])
            if not self._due:
                self.admitted.set_result(None)
        for start in [start for start in self._waiting if packet.startswith(start)]:
            self._waiting.pop(start).set_result(None)

    def _frame(self, kind: int, payload: bytes) -> None:
        """Masked with nothing: that leaves the payload as it is."""
        size = len(payload)
        length = bytes([0x80 | size]) if size < 126 else bytes([0xFE]) + size.to_bytes(2, "big")
        if self.transport is not None:
            self.transport.write(bytes([kind]) + length + b"\0\0\0\0" + payload)

    def _end(self) -> None:
        if not self.gone.done():
            self.gone.set_result(asyncio.get_running_loop().time())
        if not self.admitted.done():
            self.admitted.set_exception(ConnectionRefusedError("closed"))
        if self.transport is not None:
            self.transport.close()


async def open_light(url: str, token: str, *namespaces: str) -> Light:
    """Admitted to the namespaces (``/conversations`` when none is named); raises ``ConnectionRefusedError``."""
    place = urlsplit(url)
    loop = asyncio.get_running_loop()
    _, light = await loop.create_connection(
        lambda: Light(place.netloc, token, namespaces or (CONVERSATIONS,)), place.hostname or "", place.port or 80
    )
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            await light.admitted
    except BaseException:
        light.leave()
        raise
    return light


@asynccontextmanager
async def open_sockets(url: str, tokens: Iterable[str], *namespaces: str) -> AsyncIterator[list[Light]]:
    """One socket a token."""
    gate = asyncio.Semaphore(_AT_ONCE)

    async def come(token: str) -> Light:
        async with gate:
            return await open_light(url, token, *namespaces)

    lights = await asyncio.gather(*(come(token) for token in tokens))
    try:
        yield lights
    finally:
        for light in lights:
            light.leave()


async def all_gone(lights: Iterable[Light], within: float) -> float:
    """Wait until every one was cut; answers the instant of the last cut, by the loop's clock."""
    async with asyncio.timeout(within):
        return max([await light.gone for light in lights])
