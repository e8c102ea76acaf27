"""Many equal delays on one timer."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from typing import Final, Generic, TypeVar

T = TypeVar("T")

# The event loop's clock ticks in milliseconds (uvloop), so a timer may fire that much early.
_SLACK: Final = 0.001
_AT_ONCE: Final = 512


class Deadlines(Generic[T]):
    """Items that fall due a fixed delay after their start: order of starting is order of falling due.

    So ten thousand sockets need one event-loop timer, and starting or cancelling is a dictionary operation.
    """

    __slots__ = ("_delay", "_due", "_emptied", "_expire", "_timer")

    def __init__(self, delay: float, expire: Callable[[T, float], None]) -> None:
        self._delay = delay
        self._expire = expire
        self._due: OrderedDict[T, float] = OrderedDict()
        self._timer: asyncio.TimerHandle | None = None
        self._emptied: asyncio.Event | None = None

    def __len__(self) -> int:
        return len(self._due)

    def __contains__(self, item: T) -> bool:
        return item in self._due

    def items(self) -> list[T]:
        """All that wait, the oldest first."""
        return list(self._due)

    def start(self, item: T, since: float | None = None) -> None:
        """``item`` falls due one delay after ``since`` (now); started again, it waits anew."""
        loop = asyncio.get_running_loop()
        self._due.pop(item, None)
        due = self._due[item] = (loop.time() if since is None else since) + self._delay
        if self._timer is None:
            self._timer = loop.call_at(due, self._run)

    def cancel(self, item: T) -> bool:
        """Whether ``item`` was waiting; it is not any more."""
        waited = self._due.pop(item, None) is not None
        if self._emptied is not None and not self._due:
            self._emptied.set()
        return waited

    async def emptied(self) -> None:
        """Waits until nothing waits, because all of it was cancelled."""
        self._emptied = asyncio.Event()
        if self._due:
            await self._emptied.wait()

    def stop(self) -> None:
        """Forget everything."""
        self._due.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _run(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time() + _SLACK
        try:
            for _ in range(_AT_ONCE):
                if not self._due:
                    return
                item, due = next(iter(self._due.items()))
                if due > now:
                    return
                del self._due[item]
                self._expire(item, due)
        finally:
            # Not before: an item that was started again meanwhile is not the one that falls due next.
            self._timer = loop.call_at(next(iter(self._due.values())), self._run) if self._due else None
