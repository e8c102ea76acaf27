"""Letting other nodes in: who wins the race for a ``seq`` is ready for the next one first, again and again."""

from __future__ import annotations

from store.log.queues import ConversationQueue

# Where nothing is heard of other nodes (Redis is away), so many entries of one conversation in a row, then a pause as
# long as a write: a loser needs about that long to learn the head. Without it one of two saturating nodes got
# 2 to 17 % for a second and more, with it 45 to 55 %.
TURN = 8
# Where another node was just heard, it is given its turn after each entry: the time to hear of ours, to wait for its
# write before, and to write. Hearing of its entry ends the pause; after so many pauses without, it has nothing to say.
PATIENCE_IN_WRITES = 3
COURTESIES = 4
# People who take turns by themselves have said theirs long ago.
CONTENDED_SECONDS = 1.0
LONGEST_WRITE_SECONDS = 0.2


class Fairness:
    def __init__(self) -> None:
        self._write_seconds = 0.0

    def took(self, seconds: float) -> None:
        """A batch was written in so many seconds."""
        self._write_seconds += (min(seconds, LONGEST_WRITE_SECONDS) - self._write_seconds) / 4

    def wrote(self, lane: ConversationQueue, now: float) -> None:
        """An entry of the lane was stored."""
        lane.in_a_row += 1
        lane.written_at = now

    def heard(self, lane: ConversationQueue, now: float) -> None:
        """Another node has written the lane's newest entry."""
        lane.heard_at = now
        lane.courtesies = COURTESIES
        lane.in_a_row = 0

    def answered(self, lane: ConversationQueue) -> float:
        """Another node was heard that a turn was left to: how many seconds to leave to a third.

        Two that hear each other would leave no gap to one that hears neither. Less than the other's patience, or the
        two would race after it.
        """
        lane.exchanges += 1
        if lane.exchanges < TURN:
            return 0.0
        lane.exchanges = 0
        return (PATIENCE_IN_WRITES - 1) * self._write_seconds

    def pause_before(self, lane: ConversationQueue, now: float) -> float:
        """How many seconds the lane's next entry should stay back, unless another node is heard meanwhile."""
        if lane.in_a_row == 0:
            return 0.0
        idle = now - lane.written_at
        if lane.courtesies and now - lane.heard_at < CONTENDED_SECONDS:
            lane.courtesies -= 1
            return max(0.0, PATIENCE_IN_WRITES * self._write_seconds - idle)
        if idle < self._write_seconds and lane.in_a_row < TURN:
            return 0.0
        lane.in_a_row = 0
        return max(0.0, self._write_seconds - idle)
