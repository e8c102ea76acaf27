"""Letting other nodes in: who wins the race for a ``seq`` is ready for the next one first, again and again."""

from __future__ import annotations

from store.log.lanes import Lane

# So many entries of one conversation in a row, then a pause as long as a write: a loser needs about that long to
# learn the head. Without it one of two saturating nodes got 2 to 17 % for a second and more, with it 45 to 55 %.
TURN = 8
LONGEST_PAUSE_SECONDS = 0.05


class Courtesy:
    def __init__(self) -> None:
        self._pause = 0.0

    def took(self, seconds: float) -> None:
        """A batch was written in so many seconds."""
        self._pause += (min(seconds, LONGEST_PAUSE_SECONDS) - self._pause) / 4

    def wrote(self, lane: Lane, now: float) -> None:
        """An entry of the lane was stored."""
        lane.in_a_row += 1
        lane.written_at = now

    def pause_before(self, lane: Lane, now: float) -> float:
        """How many seconds the lane's next entry should stay back."""
        idle = now - lane.written_at
        if idle < self._pause and lane.in_a_row < TURN:
            return 0.0
        lane.in_a_row = 0
        return max(0.0, self._pause - idle)
