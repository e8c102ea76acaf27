"""Revocations, received from the database by every node: sockets of ended sessions are disconnected within 2 s.

Rows are received in two ways that do not depend on each other, neither of which needs Redis: a change stream, and a
poll each second. A row that both bring is acted on once, as a rule; acting on it twice is harmless.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable
from contextlib import suppress
from datetime import datetime, timedelta
from time import monotonic
from typing import Protocol

import structlog

from domain.accounts import User, may_sign_in
from domain.bounded_map import BoundedMap
from domain.sessions import KEPT, Reason, Revocation, Session, is_live
from store.command_budget import Budget, within
from store.concurrency import cancelled
from store.failures import repeat_unanswered

log = structlog.get_logger("revocation")

# Rows that are remembered as acted on.
MOST = 20_000
AGAIN_SECONDS = 0.5
# Sessions asked for at once: by one connection after the other, for 0.5, 1, 2 and 4 s.
_CHUNK = 1000
_LOOK_UP_TRY_SECONDS = 0.5
_LOOK_UP_SECONDS = 7.5
POLL_SECONDS = 1.0
# How far back each poll reads again: nodes' clocks differ (a token may be 30 s ahead), and a row becomes visible
# only when its transaction commits.
OVERLAP = timedelta(seconds=90)
_STREAM_AGAIN_SECONDS = 0.5
STOP_SECONDS = 0.5


class Seen:
    """Which rows were acted on already. A row forgotten too early is acted on twice, which is harmless."""

    __slots__ = ("_ids",)

    def __init__(self, most: int = MOST) -> None:
        self._ids: BoundedMap[str, None] = BoundedMap(most)

    def is_new(self, row_id: str) -> bool:
        """Whether it is met for the first time; from now on it is not."""
        if row_id in self._ids:
            return False
        self._ids[row_id] = None
        return True


class Health:
    """Logs that something broke and that it works again, once each."""

    __slots__ = ("_broken", "_what")

    def __init__(self, what: str) -> None:
        self._what = what
        self._broken = False

    def failed(self, error: Exception) -> None:
        if not self._broken:
            log.warning("revocations are not received", by=self._what, error=type(error).__name__)
        self._broken = True

    def recovered(self) -> None:
        if self._broken:
            log.info("revocations are received again", by=self._what)
        self._broken = False


class Sockets(Protocol):
    """The sockets of this node."""

    def user_ids(self) -> list[str]: ...
    def sessions_of(self, user_id: str) -> set[str]: ...
    def cut(self, user_id: str, reason: Reason, session_id: str | None = None) -> None: ...


class Cutter:
    """Disconnects a named session at once, and of a named user whatever sessions the database has ended."""

    def __init__(
        self,
        sockets: Sockets,
        holders: Callable[[Collection[str]], Awaitable[list[tuple[User, Session]]]],
        clock: Callable[[], datetime],
        acted_on: Callable[[float], None] = lambda at: None,
    ) -> None:
        """``acted_on`` is called with the instant given to ``read`` up to which all rows have been acted on."""
        self._sockets = sockets
        self._holders = holders
        self._clock = clock
        self._seen = Seen()
        self._to_recheck: dict[str, Reason] = {}
        self._recheck_due = asyncio.Event()
        self._acted_on = acted_on
        self._read_at = 0.0
        self._rechecking = False

    def take(self, rows: Iterable[Revocation]) -> None:
        """Act on those that are new."""
        for row in rows:
            if not self._seen.is_new(row.id):
                continue
            if row.session_id is not None:
                self._sockets.cut(row.user_id, row.reason, row.session_id)
            elif self._sockets.sessions_of(row.user_id):
                self._recheck(row.user_id, row.reason)

    def read(self, at: float) -> None:
        """All rows that stood at that instant have been taken."""
        self._read_at = max(self._read_at, at)
        if not self._to_recheck and not self._rechecking:
            self._acted_on(self._read_at)

    def recheck_everybody(self) -> None:
        """After a gap longer than rows are kept."""
        for user_id in self._sockets.user_ids():
            self._recheck(user_id, "session_ended")

    def _recheck(self, user_id: str, reason: Reason) -> None:
        self._to_recheck[user_id] = reason
        self._recheck_due.set()

    async def run(self) -> None:
        """Look up those to recheck in the database, all who came up meanwhile at once, until cancelled."""
        health = Health("look-up")
        while True:
            await self._recheck_due.wait()
            self._recheck_due.clear()
            users, self._to_recheck = self._to_recheck, {}
            self._rechecking, read_at = True, self._read_at
            try:
                await self._recheck_sessions(users)
                health.recovered()
                self._rechecking = False
                self._acted_on(read_at)
            except Exception as error:
                health.failed(error)
                self._to_recheck = users | self._to_recheck
                await asyncio.sleep(AGAIN_SECONDS)
                self._recheck_due.set()

    async def _recheck_sessions(self, users: dict[str, Reason]) -> None:
        held = [(user_id, one) for user_id in users for one in self._sockets.sessions_of(user_id)]
        for start in range(0, len(held), _CHUNK):
            chunk = held[start : start + _CHUNK]
            live = await self._live([session_id for _, session_id in chunk])
            for user_id, session_id in chunk:
                if session_id not in live:
                    self._sockets.cut(user_id, users[user_id], session_id)

    async def _live(self, session_ids: list[str]) -> set[str]:
        now = self._clock()
        # Until it is answered the node vouches for nobody's sockets.
        with within(Budget(seconds=_LOOK_UP_SECONDS)):
            found = await repeat_unanswered(lambda: self._holders(session_ids), _LOOK_UP_TRY_SECONDS)
        return {session.id for user, session in found if may_sign_in(user) and is_live(session, user, now)}


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
        self._polled = 0.0
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
            # Cancelled in the middle of a read it would cost that connection; as a rule it ends by itself in a moment.
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
                    # The first time, the driver may only have opened the stream again, which proves nothing.
                    self._cutter.read(began)
                quiet = row is None
                health.recovered()
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
                health.recovered()
            except Exception as error:
                health.failed(error)
            await asyncio.sleep(POLL_SECONDS)

    async def _poll(self) -> None:
        """All rows since the last poll that succeeded, however long ago that was, and some from before it."""
        now, began = self._clock(), monotonic()
        # By either clock: the wall's may have been set back, the other stands still while a machine sleeps.
        if self._polled_at is not None and (
            now - self._polled_at > KEPT - OVERLAP or timedelta(seconds=began - self._polled) > KEPT - OVERLAP
        ):
            self._cutter.recheck_everybody()
        since = now - KEPT if self._polled_at is None else min(now, self._polled_at) - OVERLAP
        self._cutter.take(await self._rows.since(since))
        self._polled_at, self._polled = now, began
        self._cutter.read(began)
