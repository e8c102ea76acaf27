"""A node that died becomes durable work: the entries that it may have committed and not published are looked for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

from server.cluster.membership import DeadNode
from store.silences import Silences

ASK_SECONDS = 1.0
# A MongoDB that did not answer for longer than this was away.
_AWAY_AFTER = timedelta(seconds=5)
# What was sent to it meanwhile is committed by then, if ever, and its sender's death known.
_REMEMBERED = timedelta(minutes=2)


class UnpublishedRecovery:
    """``answers``: whether MongoDB does. ``ask`` is called again and again: what was sent to a frozen server is
    committed when it thaws, so what a dead node may have left begins when the server last answered."""

    def __init__(
        self, silences: Silences, answers: Callable[[], Awaitable[bool]], clock: Callable[[], datetime]
    ) -> None:
        self._silences = silences
        self._answers = answers
        self._clock = clock
        self._answered_at = clock()
        self._away: tuple[datetime, datetime] | None = None
        # By incarnation, until it is noted.
        self._since: dict[str, datetime] = {}

    async def ask(self) -> None:
        asked_at = self._clock()
        if await self._answers():
            now = self._clock()
            if now - self._answered_at > _AWAY_AFTER:
                self._away = (self._answered_at, now)
            self._answered_at = asked_at

    async def on_node_dead(self, dead: DeadNode) -> None:
        """Returns when the row stands; raises ``unavailable``."""
        now, ran_out = self._clock(), datetime.fromtimestamp(dead.ran_out / 1000, UTC)
        since = self._since.setdefault(dead.incarnation, min(ran_out, self._answered_before(now)))
        await self._silences.note_dead(dead.incarnation, since, ran_out, self._clock())
        del self._since[dead.incarnation]

    def _answered_before(self, now: datetime) -> datetime:
        if self._away is not None and now - self._away[1] < _REMEMBERED:
            return self._away[0]
        return self._answered_at
