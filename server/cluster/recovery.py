"""Entries that may be committed and not published: of a node that cannot reach Redis, and of one that died.

Each becomes a row of durable work (``handlers/messages/recovery.py``), so that any node publishes what it could not.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime
from time import monotonic

from server.cluster.membership import DeadNode
from server.pubsub.bus import Bus
from store.publish_outages import PublishOutage, PublishOutages

# Soon enough for a node that is killed just after.
LOOK_SECONDS = 1.0
# Once Redis is back, a node publishes again what it published meanwhile; by then it has.
_REPUBLISHED_SECONDS = 5.0


class PublishOutageRecorder:
    """``note`` is called again and again; ``stop`` at the end."""

    def __init__(self, bus: Bus, outages: PublishOutages, clock: Callable[[], datetime]) -> None:
        self._bus = bus
        self._outages = outages
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._since: datetime | None = None
        self._cut_off_at = 0.0

    async def note(self) -> None:
        if not self._bus.publishing:
            now = self._clock()
            self._since = self._since or now
            self._cut_off_at = self._loop.time()
            await self._outages.keep(PublishOutage(self._bus.node, self._since, now))
        elif self._since is not None and self._loop.time() - self._cut_off_at > _REPUBLISHED_SECONDS:
            await self._outages.end(self._bus.node)
            self._since = None

    async def stop(self) -> None:
        with suppress(Exception):
            # What was committed last may be later than the last note; without MongoDB nothing was.
            await self.note()


ASK_SECONDS = 1.0
# A MongoDB that did not answer for longer than this was away.
_AWAY_AFTER_SECONDS = 5.0
# What was sent to it meanwhile is committed by then, if ever, and its sender's death known.
_REMEMBERED_SECONDS = 120.0


class UnpublishedRecovery:
    """``answers``: whether MongoDB does; ``elapsed``: a clock that nobody sets, for how long it did not. ``ask`` is
    called again and again: what was sent to a frozen server is committed when it thaws, so what a dead node may have
    left begins when the server last answered."""

    def __init__(
        self,
        outages: PublishOutages,
        answers: Callable[[], Awaitable[bool]],
        clock: Callable[[], datetime],
        elapsed: Callable[[], float] = monotonic,
    ) -> None:
        self._outages = outages
        self._answers = answers
        self._clock = clock
        self._elapsed = elapsed
        self._answered_at, self._answered = clock(), elapsed()
        # When it last answered before it was away, and when it was back.
        self._away: tuple[datetime, float] | None = None
        # By row, until it is noted.
        self._since: dict[str, datetime] = {}

    async def ask(self) -> None:
        asked_at, asked = self._clock(), self._elapsed()
        if await self._answers():
            now = self._elapsed()
            if now - self._answered > _AWAY_AFTER_SECONDS:
                self._away = (self._answered_at, now)
            self._answered_at, self._answered = asked_at, asked

    async def on_node_dead(self, dead: DeadNode) -> None:
        """Returns when the row is written; raises ``unavailable``."""
        row, latest = dead.incarnation, dead.ran_out
        if dead.latest is not None:
            # An earlier state of Redis may have told of the same death, with an end that was too early.
            row, latest = f"{dead.incarnation} forgotten", dead.latest
        since = self._since.setdefault(row, min(_instant(dead.ran_out), self._answered_before()))
        await self._outages.note_dead(row, since, _instant(latest), self._clock())
        del self._since[row]

    def _answered_before(self) -> datetime:
        if self._away is not None and self._elapsed() - self._away[1] < _REMEMBERED_SECONDS:
            return self._away[0]
        return self._answered_at


def _instant(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
