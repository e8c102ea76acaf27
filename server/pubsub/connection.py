"""A thin connection to Redis (commands go out, replies come in, nothing waits), and one that reconnects when lost."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, Generic, TypeVar, cast

import hiredis
import structlog
from redis.exceptions import RedisError

from server.callbacks import notify
from server.observability.logging import safe_traceback
from server.pubsub.addresses import RedisAddress
from store.backoff import ExponentialBackoff
from store.concurrency import cancelled

log = structlog.get_logger("fanout")

# A frozen server still accepts connections: whoever does not answer in this time is not there.
ANSWER_WITHIN_SECONDS = 1.0
# What waits to be written while the server does not read; a canary ends the connection long before, as a rule.
MAX_BUFFERED_BYTES = 16 * 1024 * 1024
# What a Redis raises that is away; anything else is a fault, and no reason to stop trying either.
UNREACHABLE = (OSError, TimeoutError, RedisError)
# What uvloop says of a connection that was lost before a command is written to it.
_CLOSED = "the handler is closed"
_BACKOFF = ExponentialBackoff(first=0.05, longest=1.0)

Locate = Callable[[], Awaitable[RedisAddress]]


@contextmanager
def reaching_redis() -> Iterator[None]:
    """Around commands of redis-py: what it raises for a server that is away is one of ``UNREACHABLE``.

    It takes only OSError for a lost connection, and lets uvloop's bare RuntimeError through.
    """
    try:
        yield
    except RuntimeError as error:
        if _CLOSED not in str(error):
            raise
        raise ConnectionError(str(error)) from error


class RedisRefused(ConnectionError):
    """The server answered, but does not want us now: loading, wrong password, no such database."""


class RedisConnection(ABC, asyncio.Protocol):
    """Replies go to ``replied``; what they mean is up to the kind of connection."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._reader = hiredis.Reader()
        self._transport: asyncio.Transport | None = None
        self._outgoing: list[bytes] = []
        self._scheduled = False
        self._setup_replies = 0
        self._is_set_up: asyncio.Future[None] = self._loop.create_future()
        self.lost: asyncio.Future[None] = self._loop.create_future()

    @abstractmethod
    def replied(self, reply: Any) -> None:
        """One reply arrived."""

    async def set_up(self, commands_sent: list[bytes]) -> None:
        """Raises ``RedisRefused``, or ``ConnectionError`` when the server hangs up."""
        self._setup_replies = len(commands_sent)
        self.write(*commands_sent)
        await self._is_set_up

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
                if self._setup_replies:
                    self._welcome(reply)
                else:
                    self.replied(reply)
        except hiredis.ProtocolError:
            self.abort()

    def connection_lost(self, error: Exception | None) -> None:
        if not self._is_set_up.done():
            self._is_set_up.set_exception(ConnectionResetError())
            self._is_set_up.exception()
        if not self.lost.done():
            self.lost.set_result(None)

    def _welcome(self, reply: Any) -> None:
        self._setup_replies -= 1
        if self._is_set_up.done():
            return
        if isinstance(reply, hiredis.ReplyError):
            self._is_set_up.set_exception(RedisRefused(str(reply).partition(" ")[0]))
        elif not self._setup_replies:
            self._is_set_up.set_result(None)


C = TypeVar("C", bound=RedisConnection)


async def dial(endpoint: RedisAddress, connection: C) -> C:
    """Connect and set the connection up; raises ``OSError`` or ``TimeoutError``."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(ANSWER_WITHIN_SECONDS):
            if endpoint.path is not None:
                await loop.create_unix_connection(lambda: connection, endpoint.path)
            else:
                await loop.create_connection(lambda: connection, endpoint.host, endpoint.port, ssl=endpoint.tls)
            await connection.set_up(endpoint.setup_commands())
    except BaseException:
        connection.abort()
        raise
    return connection


class ReconnectingConnection(Generic[C]):
    """``connection`` is None while there is none.

    ``up`` and ``down`` are called at each change, ``failed`` at each attempt in vain; what they raise is logged.
    """

    def __init__(
        self,
        locate: Locate,
        make: Callable[[], C],
        up: Callable[[C], None],
        down: Callable[[C], None],
        failed: Callable[[], None],
    ) -> None:
        self._locate = locate
        self._make = make
        self._up, self._down, self._failed = up, down, failed
        self._task: asyncio.Task[None] | None = None
        self.connection: C | None = None
        self.endpoint: RedisAddress | None = None

    def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        await cancelled([self._task])

    def abort(self) -> None:
        """Give this connection up and make another."""
        if self.connection is not None:
            self.connection.abort()

    async def _run(self) -> None:
        attempts = 0
        while True:
            attempts += 1
            try:
                self.endpoint = await self._locate()
                connection = await dial(self.endpoint, self._make())
            except Exception as error:
                if not isinstance(error, UNREACHABLE):
                    log.error("connecting to Redis failed", **safe_traceback(error))
                notify(self._failed)
                await asyncio.sleep(_BACKOFF.pause(attempts))
                continue
            attempts = 0
            await self._live(connection)
            # Not at once: a server that hangs up on everybody would otherwise be called without end.
            await asyncio.sleep(_BACKOFF.pause(1))

    async def _live(self, connection: C) -> None:
        self.connection = connection
        notify(self._up, connection)
        try:
            await connection.lost
        finally:
            connection.abort()
            self.connection = None
            notify(self._down, connection)
