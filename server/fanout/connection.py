"""A thin connection to Redis: commands go out, replies come in, nothing waits for anything."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from typing import Any, TypeVar, cast

import hiredis

from server.fanout.endpoint import Endpoint

# A frozen server still accepts connections: whoever does not answer in this time is not there.
ANSWER_WITHIN_SECONDS = 1.0
# What waits to be written while the server does not read; a canary ends the connection long before, as a rule.
MAX_BUFFERED_BYTES = 16 * 1024 * 1024


class Refused(ConnectionError):
    """The server answered, but does not want us now: loading, wrong password, no such database."""


class Connection(ABC, asyncio.Protocol):
    """Replies go to ``replied``; what they mean is up to the kind of connection."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._reader = hiredis.Reader()
        self._transport: asyncio.Transport | None = None
        self._outgoing: list[bytes] = []
        self._scheduled = False
        self._greetings = 0
        self._greeted: asyncio.Future[None] = self._loop.create_future()
        self.lost: asyncio.Future[None] = self._loop.create_future()

    @abstractmethod
    def replied(self, reply: Any) -> None:
        """One reply arrived."""

    async def greet(self, said: list[bytes]) -> None:
        """Raises ``Refused``, or ``ConnectionError`` when the server hangs up."""
        self._greetings = len(said)
        self.write(*said)
        await self._greeted

    def write(self, *parts: bytes) -> None:
        """Everything of one iteration of the loop leaves in one piece."""
        self._outgoing += parts
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._flush)

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def _flush(self) -> None:
        self._scheduled = False
        parts, self._outgoing = self._outgoing, []
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        transport.write(b"".join(parts))
        if transport.get_write_buffer_size() > MAX_BUFFERED_BYTES:
            transport.abort()

    # --- asyncio.Protocol ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports descend from nothing of asyncio's.
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        reader = self._reader
        try:
            reader.feed(data)
            while (reply := reader.gets()) is not False:
                if self._greetings:
                    self._welcome(reply)
                else:
                    self.replied(reply)
        except hiredis.ProtocolError:
            self.abort()

    def connection_lost(self, error: Exception | None) -> None:
        if not self._greeted.done():
            self._greeted.set_exception(ConnectionResetError())
            self._greeted.exception()
        if not self.lost.done():
            self.lost.set_result(None)

    def _welcome(self, reply: Any) -> None:
        self._greetings -= 1
        if self._greeted.done():
            return
        if isinstance(reply, hiredis.ReplyError):
            self._greeted.set_exception(Refused(str(reply).partition(" ")[0]))
        elif not self._greetings:
            self._greeted.set_result(None)


C = TypeVar("C", bound=Connection)


async def dial(endpoint: Endpoint, connection: C) -> C:
    """Connect and introduce ourselves; raises ``OSError`` or ``TimeoutError``."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(ANSWER_WITHIN_SECONDS):
            if endpoint.path is not None:
                await loop.create_unix_connection(lambda: connection, endpoint.path)
            else:
                await loop.create_connection(lambda: connection, endpoint.host, endpoint.port, ssl=endpoint.tls)
            await connection.greet(endpoint.greeting())
    except BaseException:
        connection.abort()
        raise
    return connection
