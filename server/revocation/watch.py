"""Two ways to hear of the rows, neither of which depends on the other: a change stream, and a poll each second."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Protocol

from domain.revocations import KEPT, Revocation
from server.revocation.cutter import Cutter
from server.revocation.health import Health

POLL_SECONDS = 1.0
# How far back each poll reads again: nodes' clocks differ (a token may be 30 s ahead), and a row becomes visible
# only when its transaction commits.
OVERLAP = timedelta(seconds=90)
_STREAM_AGAIN_SECONDS = 0.5
STOP_SECONDS = 0.5


class Stream(Protocol):
    async def next(self) -> Revocation | None: ...
    async def close(self) -> None: ...


class Rows(Protocol):
    async def since(self, at: datetime) -> list[Revocation]: ...
    def stream(self) -> Stream: ...


class RevocationWatch:
    """``start`` once the database is prepared. Until ``stop``, whatever fails is tried again."""

    def __init__(self, rows: Rows, cutter: Cutter, clock: Callable[[], datetime]) -> None:
        self._rows = rows
        self._cutter = cutter
        self._clock = clock
        self._polled_at: datetime | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._following: asyncio.Task[None] | None = None
        self._stopping = False

    def start(self) -> None:
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(self._cutter.run()), loop.create_task(self._poll_on())]
        self._following = loop.create_task(self._follow())

    async def stop(self) -> None:
        self._stopping = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._following is not None:
            # Cancelled, it would leave a thread of the driver's behind; as a rule it ends by itself in a moment.
            await asyncio.wait([self._following], timeout=STOP_SECONDS)
            self._following.cancel()

    async def _follow(self) -> None:
        stream, health = self._rows.stream(), Health("stream")
        while not self._stopping:
            try:
                row = await stream.next()
                if row is not None:
                    self._cutter.take([row])
                health.well()
            except Exception as error:
                health.failed(error)
                await asyncio.sleep(_STREAM_AGAIN_SECONDS)
        with suppress(Exception):
            await stream.close()

    async def _poll_on(self) -> None:
        health = Health("poll")
        while True:
            try:
                await self._poll()
                health.well()
            except Exception as error:
                health.failed(error)
            await asyncio.sleep(POLL_SECONDS)

    async def _poll(self) -> None:
        """All rows since the last poll that succeeded, however long ago that was, and some from before it."""
        now = self._clock()
        if self._polled_at is not None and now - self._polled_at > KEPT - OVERLAP:
            self._cutter.doubt_everybody()
        since = now - KEPT if self._polled_at is None else min(now, self._polled_at) - OVERLAP
        self._cutter.take(await self._rows.since(since))
        self._polled_at = now
