"""Who does not read an answer is dropped, for it is kept in memory until it is read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Generic, Protocol, TypeVar

from server.sockets.engine.deadlines import Deadlines

UNREAD_SECONDS: Final = 15.0
# Several, because what the kernel keeps is taken for a moment longer than what is read.
_LOOKS: Final = 3


class Reader(Protocol):
    """``unread``: bytes of answers that it has not taken yet; ``taken``: those that it has."""

    @property
    def unread(self) -> int: ...
    @property
    def taken(self) -> int: ...


C = TypeVar("C", bound=Reader)


class Readers(Generic[C]):
    """Watches connections whose answers wait; ``drop`` is told of those that took nothing for so long."""

    def __init__(self, seconds: float, drop: Callable[[C], None]) -> None:
        self._drop = drop
        # What each had taken when last looked at, and how many looks in a row that was the same.
        self._waiting: dict[C, tuple[int, int]] = {}
        self._looks: Deadlines[C] = Deadlines(seconds / _LOOKS, lambda connection, due: self._look(connection))

    def watch(self, connection: C) -> None:
        """Something waits for it."""
        if connection not in self._waiting:
            self._waiting[connection] = connection.taken, 0
            self._looks.start(connection)

    def forget(self, connection: C) -> None:
        """It is gone."""
        if self._waiting.pop(connection, None) is not None:
            self._looks.cancel(connection)

    def stop(self) -> None:
        self._waiting.clear()
        self._looks.stop()

    def _look(self, connection: C) -> None:
        before, idle = self._waiting.pop(connection)
        if not connection.unread:
            return
        now = connection.taken
        idle = idle + 1 if now == before else 0
        if idle == _LOOKS:
            self._drop(connection)
            return
        self._waiting[connection] = now, idle
        self._looks.start(connection)
