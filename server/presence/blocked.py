"""People who block each other stop watching each other, on every node; Redis has no part in it.

Each node asks the database for what was blocked since its last look, and again for a while: a watch that began in the
same moment is ended by a later look.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from datetime import datetime, timedelta

from domain.wire.events import PresenceChanged
from server.presence.connections import WatchingConnections
from server.presence.presence import Presence

# With what a look takes, within the two seconds in which a revocation holds.
LOOK_SECONDS = 1.0
# Nodes' clocks differ, and a row becomes visible only when its transaction commits.
OVERLAP = timedelta(seconds=90)


class BlockedWatches:
    """``connections_of``: a user's connections here, in the namespace of presence."""

    def __init__(
        self,
        since: Callable[[datetime], Awaitable[list[tuple[str, str]]]],
        presence: Presence,
        audience: WatchingConnections,
        connections_of: Callable[[str], Collection[str]],
        clock: Callable[[], datetime],
    ) -> None:
        self._since = since
        self._presence = presence
        self._audience = audience
        self._connections_of = connections_of
        self._clock = clock
        self._looked_at: datetime | None = None

    async def look(self) -> None:
        """Ends the watches of those who were blocked since."""
        now = self._clock()
        pairs = await self._since(min(now, self._looked_at or now) - OVERLAP)
        for one, other in pairs:
            self._part(one, other)
            self._part(other, one)
        self._looked_at = now

    def _part(self, watcher: str, watched: str) -> None:
        """The watcher sees the other go, and nothing after that."""
        watching = set(self._audience.watching(watched))
        if not watching:
            return
        for connection in watching.intersection(self._connections_of(watcher)):
            gone = PresenceChanged(user_id=watched, status="offline", last_seen_at=None)
            self._audience.send_to(connection, gone)
            self._presence.unwatch(connection, [watched])
