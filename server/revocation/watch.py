"""Ended sessions, received from the database by every node: their sockets are cut within 2 s, with or without Redis.

Which rows were acted on already. A row forgotten too early is acted on twice, which is harmless.

Says in the log that something broke and that it works again, once each.

From revocation rows to closed sockets.

Two ways to receive the rows, neither of which depends on the other: a change stream, and a poll each second.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection, Iterable
from contextlib import suppress
from datetime import datetime, timedelta
from time import monotonic
from typing import Protocol

import structlog

from domain.accounts import User, may_sign_in
from domain.sessions import KEPT, Reason, Revocation, Session, is_live
from store.concurrency import cancelled

MOST = 20_000


class Seen:
    __slots__ = ("_ids", "_most")

    def __init__(self, most: int = MOST) -> None:
        self._ids: OrderedDict[str, None] = OrderedDict()
        self._most = most

    def is_new(self, row_id: str) -> bool:
        """Whether it is met for the first time; from now on it is not."""
        if row_id in self._ids:
            return False
        self._ids[row_id] = None
        if len(self._ids) > self._most:
            self._ids.popitem(last=False)
        return True


log = structlog.get_logger("revocation")


class Health:
    __slots__ = ("_broken", "_what")

    def __init__(self, what: str) -> None:
        self._what = what
        self._broken = False

    def failed(self, error: Exception) -> None:
        if not self._broken:
            log.warning("revocations are not received", by=self._what, error=type(error).__name__)
        self._broken = True

    def well(self) -> None:
        if self._broken:
            log.info("revocations are received again", by=self._what)
        self._broken = False


AGAIN_SECONDS = 0.5
# Sessions asked for at once.
_CHUNK = 1000


class Sockets(Protocol):
    """The sockets of this node."""

    def user_ids(self) -> list[str]: ...
    def sessions_of(self, user_id: str) -> set[str]: ...
    def cut(self, user_id: str, reason: Reason, session_id: str | None = None) -> None: ...


class Cutter:
    """Cuts a named session at once, and of a named user whatever the database no longer lets stand."""

    def __init__(
        self,
        sockets: Sockets,
        holders: Callable[[Collection[str]], Awaitable[list[tuple[User, Session]]]],
        clock: Callable[[], datetime],
        settled: Callable[[float], None] = lambda at: None,
    ) -> None:
        """``settled`` is told how far back, by the instants given to ``read``, everything has been acted on."""
        self._sockets = sockets
        self._holders = holders
        self._clock = clock
        self._seen = Seen()
        self._doubted: dict[str, Reason] = {}
        self._doubts = asyncio.Event()
        self._settled = settled
        self._read_at = 0.0
        self._settling = False

    def take(self, rows: Iterable[Revocation]) -> None:
        """Act on those that are new."""
        for row in rows:
            if not self._seen.is_new(row.id):
                continue
            if row.session_id is not None:
                self._sockets.cut(row.user_id, row.reason, row.session_id)
            elif self._sockets.sessions_of(row.user_id):
                self._doubt(row.user_id, row.reason)

    def read(self, at: float) -> None:
        """All rows that stood at that instant have been taken."""
        self._read_at = max(self._read_at, at)
        if not self._doubted and not self._settling:
            self._settled(self._read_at)

    def doubt_everybody(self) -> None:
        """After a silence longer than rows are kept."""
        for user_id in self._sockets.user_ids():
            self._doubt(user_id, "session_ended")

    def _doubt(self, user_id: str, reason: Reason) -> None:
        self._doubted[user_id] = reason
        self._doubts.set()

    async def run(self) -> None:
        """Look into the database for those in doubt, all who came up meanwhile at once, until cancelled."""
        health = Health("look-up")
        while True:
            await self._doubts.wait()
            self._doubts.clear()
            doubted, self._doubted = self._doubted, {}
            self._settling, read_at = True, self._read_at
            try:
                await self._settle(doubted)
                health.well()
                self._settling = False
                self._settled(read_at)
            except Exception as error:
                health.failed(error)
                self._doubted = doubted | self._doubted
                await asyncio.sleep(AGAIN_SECONDS)
                self._doubts.set()

    async def _settle(self, doubted: dict[str, Reason]) -> None:
        held = [(user_id, one) for user_id in doubted for one in self._sockets.sessions_of(user_id)]
        for start in range(0, len(held), _CHUNK):
            chunk = held[start : start + _CHUNK]
            standing = await self._standing([session_id for _, session_id in chunk])
            for user_id, session_id in chunk:
                if session_id not in standing:
                    self._sockets.cut(user_id, doubted[user_id], session_id)

    async def _standing(self, session_ids: list[str]) -> set[str]:
        now = self._clock()
        found = await self._holders(session_ids)
        return {session.id for user, session in found if may_sign_in(user) and is_live(session, user, now)}


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
    async def close(self) -> None: ...


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
        await cancelled(self._tasks)
        if self._following is not None:
            # Cancelled, it would leave a thread of the driver's behind; as a rule it ends by itself in a moment.
            await asyncio.wait([self._following], timeout=STOP_SECONDS)
            self._following.cancel()
        await self._rows.close()

    async def _follow(self) -> None:
        stream, health = self._rows.stream(), Health("stream")
        quiet = False
        while not self._stopping:
            began = monotonic()
            try:
                row = await stream.next()
                if row is not None:
                    self._cutter.take([row])
                elif quiet:
                    # The first time, the driver may only have opened the stream again, which tells nothing.
                    self._cutter.read(began)
                quiet = row is None
                health.well()
            except Exception as error:
                quiet = False
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
        now, began = self._clock(), monotonic()
        if self._polled_at is not None and now - self._polled_at > KEPT - OVERLAP:
            self._cutter.doubt_everybody()
        since = now - KEPT if self._polled_at is None else min(now, self._polled_at) - OVERLAP
        self._cutter.take(await self._rows.since(since))
        self._polled_at = now
        self._cutter.read(began)
