"""People who block each other stop watching each other, on every node; Redis has no part in it.

Each node asks the database for what was blocked since its last look, by the numbers of the blocks, and again for a
while: a watch that was allowed before the block, and begins after the look, is ended by a later one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection
from time import monotonic

from domain.wire.events import PresenceChanged
from server.presence.connections import WatchingConnections
from server.presence.presence import Presence
from store.command_budget import BUDGET_SECONDS
from store.user_blocks import UserBlocks

# With what a look takes, within the two seconds in which a revocation holds.
LOOK_SECONDS = 1.0
# Longer than a command takes from what it reads to the watch that it begins.
_LOOK_BACK_SECONDS = 2 * BUDGET_SECONDS


class BlockedWatches:
    """``connections_of``: a user's connections here, in the namespace of presence."""

    def __init__(
        self,
        blocks: UserBlocks,
        presence: Presence,
        audience: WatchingConnections,
        connections_of: Callable[[str], Collection[str]],
    ) -> None:
        self._blocks = blocks
        self._presence = presence
        self._audience = audience
        self._connections_of = connections_of
        # When looks began, and the last block that each of them knew; the first is the one to look back to.
        self._looks: deque[tuple[float, int]] = deque()

    async def start(self) -> None:
        """Before the first watch begins."""
        self._looks.append((monotonic(), await self._blocks.last_number()))

    async def look(self) -> None:
        """Ends the watches of those who were blocked since."""
        began = monotonic()
        while len(self._looks) > 1 and self._looks[1][0] < began - _LOOK_BACK_SECONDS:
            self._looks.popleft()
        last = self._looks[-1][1]
        for block in await self._blocks.after(self._looks[0][1]):
            self._part(block.user_id, block.blocked_user_id)
            self._part(block.blocked_user_id, block.user_id)
            last = max(last, block.number)
        self._looks.append((began, last))

    def _part(self, watcher: str, watched: str) -> None:
        """The watcher sees the other go, and nothing after that."""
        watching = set(self._audience.watching(watched))
        if not watching:
            return
        for connection in watching.intersection(self._connections_of(watcher)):
            gone = PresenceChanged(user_id=watched, status="offline", last_seen_at=None)
            self._audience.send_to(connection, gone)
            self._presence.unwatch(connection, [watched])
