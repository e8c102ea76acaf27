"""What was published in the last seconds, and all since publishing failed: it may never have arrived."""

from __future__ import annotations

from typing import NamedTuple

ROTATE_SECONDS = 5.0
# Past this it is cheaper to have everybody ask.
MAX_REMEMBERED = 20_000

Heads = dict[str, tuple[int, tuple[str, ...]]]


class Remembered(NamedTuple):
    """``heads``: by conversation, its last entry and the rooms it went to; ``rooms``: those told of other things."""

    heads: Heads
    rooms: set[str]
    overflown: bool


class Recent:
    """Two generations, of which the older is dropped at each turn."""

    def __init__(self) -> None:
        self._heads: Heads = {}
        self._rooms: set[str] = set()
        self._older: tuple[Heads, set[str]] = {}, set()
        self._overflown = False

    def entry(self, conversation_id: str, seq: int, rooms: tuple[str, ...]) -> None:
        self._heads[conversation_id] = (seq, rooms)

    def event(self, rooms: tuple[str, ...]) -> None:
        self._rooms.update(rooms)

    def turn(self) -> None:
        """The older generation has arrived for certain."""
        self._older = self._heads, self._rooms
        self._heads, self._rooms = {}, set()
        self._overflown = False

    def bound(self) -> None:
        """Nothing arrives, and memory must not grow for as long as that lasts."""
        if len(self._heads) + len(self._rooms) > MAX_REMEMBERED:
            self._heads, self._rooms = {}, set()
            self._overflown = True

    def all(self) -> Remembered:
        heads, rooms = self._older
        return Remembered(heads | self._heads, rooms | self._rooms, self._overflown)
