"""A connection that is made again whenever it is lost."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from redis.exceptions import RedisError

from server.fanout.connection import Connection, dial
from server.fanout.endpoint import Endpoint

C = TypeVar("C", bound=Connection)

FIRST_PAUSE_SECONDS = 0.05
LONGEST_PAUSE_SECONDS = 1.0

Locate = Callable[[], Awaitable[Endpoint]]


class Line(Generic[C]):
    """``connection`` is None while there is none.

    ``up`` and ``down`` hear of each change, ``failed`` of each attempt in vain.
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
        self.endpoint: Endpoint | None = None

    def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def abort(self) -> None:
        """Give this connection up and make another."""
        if self.connection is not None:
            self.connection.abort()

    async def _run(self) -> None:
        pause = FIRST_PAUSE_SECONDS
        while True:
            try:
                self.endpoint = await self._locate()
                connection = await dial(self.endpoint, self._make())
            except (OSError, TimeoutError, RedisError):
                self._failed()
                await asyncio.sleep(pause * random.uniform(0.5, 1.0))
                pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
                continue
            pause = FIRST_PAUSE_SECONDS
            await self._live(connection)
            # Not at once: a server that hangs up on everybody would otherwise be called without end.
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))

    async def _live(self, connection: C) -> None:
        self.connection = connection
        self._up(connection)
        try:
            await connection.lost
        finally:
            connection.abort()
            self.connection = None
            self._down(connection)
