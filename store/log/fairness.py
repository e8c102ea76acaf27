"""Contention back-off: how long a node leaves a conversation to others after it has written to it.

Whoever wins the race for a ``seq`` is ready for the next one first, again and again. Arithmetic only: the appender
holds the timers, and says what time it is (the loop's).
"""

from __future__ import annotations

from dataclasses import dataclass

# Where nothing is received of other nodes (Redis is away), so many entries of one conversation in a row, then a pause
# as long as a write: a loser needs about that long to learn the head. Without it one of two saturating nodes got
# 2 to 17 % for a second and more, with it 45 to 55 %.
RUN_LENGTH = 8
# Where an entry of another node was just received, this node backs off after each of its own: the time for the other to
# receive ours, to wait for its write before, and to write. Receiving its entry ends the pause; after so many pauses
# without one, it has nothing to write.
BACKOFF_IN_WRITES = 3
MAX_BACKOFFS = 4
# People who alternate by themselves have sent theirs long ago.
CONTENDED_SECONDS = 1.0
LONGEST_WRITE_SECONDS = 0.2


@dataclass(slots=True, eq=False)
class Contention:
    """One conversation's: ``run`` entries were written without a pause, the last of them at ``written_at``.

    Another node's entry was received at ``received_at``, which still earns it so many ``backoffs``; in so many
    ``exchanges`` it has written in the pause that it was left.
    """

    run: int = 0
    written_at: float = 0.0
    received_at: float = 0.0
    backoffs: int = 0
    exchanges: int = 0


class Fairness:
    """Measures how long this node's writes take, and from that how long a pause lets another node in."""

    def __init__(self) -> None:
        self._write_seconds = 0.0

    def batch_written(self, seconds: float) -> None:
        """It took so many seconds."""
        self._write_seconds += (min(seconds, LONGEST_WRITE_SECONDS) - self._write_seconds) / 4

    def written(self, contention: Contention, now: float) -> None:
        """An entry of the conversation was stored by this node."""
        contention.run += 1
        contention.written_at = now

    def received(self, contention: Contention, now: float) -> None:
        """Another node has written the conversation's newest entry."""
        contention.received_at = now
        contention.backoffs = MAX_BACKOFFS
        contention.run = 0

    def pause_after_exchange(self, contention: Contention) -> float:
        """Another node wrote in the pause that it was left: how many seconds to leave to a third.

        Two that receive each other's entries would leave no gap to one that receives neither. Less than the other's
        back-off, or the two would race after it.
        """
        contention.exchanges += 1
        if contention.exchanges < RUN_LENGTH:
            return 0.0
        contention.exchanges = 0
        return (BACKOFF_IN_WRITES - 1) * self._write_seconds

    def pause_before(self, contention: Contention, now: float) -> float:
        """How many seconds the next entry should stay back, unless another node's is received meanwhile."""
        if contention.run == 0:
            return 0.0
        idle = now - contention.written_at
        if contention.backoffs and now - contention.received_at < CONTENDED_SECONDS:
            contention.backoffs -= 1
            return max(0.0, BACKOFF_IN_WRITES * self._write_seconds - idle)
        if idle < self._write_seconds and contention.run < RUN_LENGTH:
            return 0.0
        contention.run = 0
        return max(0.0, self._write_seconds - idle)
