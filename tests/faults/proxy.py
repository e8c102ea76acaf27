"""A TCP proxy between a node and one of its servers, for faults of the network."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Literal
from urllib.parse import urlsplit

Mode = Literal["pass", "blackhole", "delay", "refuse"]
# On close the kernel sends RST and forgets what was not sent.
_LINGER = struct.pack("ii", 1, 0)


def _abort(writer: asyncio.StreamWriter) -> None:
    end: socket.socket | None = writer.get_extra_info("socket")
    if end is not None and end.fileno() != -1:
        # Else it has ended by itself meanwhile.
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER)
    writer.transport.abort()


class _Connection:
    """``lost``: bytes were swallowed, so that what follows them means nothing; it stays stalled until it is closed."""

    def __init__(self, writers: tuple[asyncio.StreamWriter, ...]) -> None:
        self.writers = writers
        self.lost = False


class Proxy:
    """Passes bytes on, both ways, until it is told otherwise; on loopback, at ``port``."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._server: asyncio.Server | None = None
        self._connections: set[_Connection] = set()
        self._mode: Mode = "pass"
        self._seconds = 0.0
        self.port = 0
        self._stalling: tuple[bytes, ...] = ()
        self._to_stall = 0
        self.accepted = 0
        self.swallowed = 0

    async def pass_through(self) -> None:
        """As it should be; connections that lost bytes meanwhile stay stalled."""
        self._mode = "pass"
        if self._server is None:
            self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
            self.port = self._server.sockets[0].getsockname()[1]

    def blackhole(self) -> None:
        """Swallow what comes either way; connections stay, new ones are accepted and never answered."""
        self._mode = "blackhole"

    def delay(self, seconds: float) -> None:
        """Pass each piece on so much later."""
        self._mode, self._seconds = "delay", seconds

    def refuse(self) -> None:
        """Reset every connection, new ones as soon as they come; the port stays ours."""
        self._mode = "refuse"
        self.reset()

    def close(self) -> None:
        """Reset every connection, and listen no more; ``pass_through`` opens the same port again."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self.reset()

    def stall(self, *words: bytes, count: int = 1) -> None:
        """The next connections that are asked for what has all of these words stall from there on."""
        self._stalling, self._to_stall = words, count

    @property
    def to_stall(self) -> int:
        """How many are still to come."""
        return self._to_stall

    def _is_stalled(self, asked: bytes) -> bool:
        if not self._to_stall or not all(word in asked for word in self._stalling):
            return False
        self._to_stall -= 1
        return True

    def reset(self) -> None:
        """Reset every connection."""
        for connection in tuple(self._connections):
            for writer in connection.writers:
                _abort(writer)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        if self._mode == "refuse":
            _abort(writer)
            return
        try:
            there, back = await asyncio.open_connection(*self._target)
        except OSError:
            writer.close()
            return
        connection = _Connection((writer, back))
        self._connections.add(connection)
        try:
            await asyncio.gather(
                self._pump(connection, reader, back, self._is_stalled),
                self._pump(connection, there, writer, lambda answer: False),
            )
        finally:
            self._connections.discard(connection)

    async def _pump(
        self,
        connection: _Connection,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        is_lost: Callable[[bytes], bool],
    ) -> None:
        try:
            while chunk := await reader.read(65536):
                if self._mode == "blackhole" or connection.lost or is_lost(chunk):
                    connection.lost = True
                    self.swallowed += len(chunk)
                    continue
                if self._mode == "delay":
                    await asyncio.sleep(self._seconds)
                writer.write(chunk)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()


@asynccontextmanager
async def proxy(url: str) -> AsyncIterator[Proxy]:
    """In front of the server that the URL names."""
    target = urlsplit(url)
    assert target.hostname and target.port
    made = Proxy(target.hostname, target.port)
    await made.pass_through()
    try:
        yield made
    finally:
        made.close()


def mongo_through(proxy: Proxy, url: str, **options: str) -> str:
    """The URL of the same database by way of the proxy: ``directConnection``, for a driver that discovers a replica
    set goes on with the address that its member gives.
    """
    more = "".join(f"&{name}={value}" for name, value in options.items())
    return f"mongodb://127.0.0.1:{proxy.port}{urlsplit(url).path}?directConnection=true{more}"


def redis_through(proxy: Proxy) -> str:
    return f"redis://127.0.0.1:{proxy.port}/0"
