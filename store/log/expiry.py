"""When the submitters of waiting entries are told that it takes too long, whoever waits before them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

# One timer for all that fall due within so many seconds: adding and taking away are operations of a set.
TICK_SECONDS = 0.25


class _Waiting(Protocol):
    @property
    def deadline(self) -> float: ...


W = TypeVar("W", bound=_Waiting)


class Expiry(Generic[W]):
    """``expire`` is called once for each entry whose deadline (the loop's time) passes, at most a tick late."""

    def __init__(self, expire: Callable[[W], None]) -> None:
        self._expire = expire
        self._due: dict[int, set[W]] = {}
        self._loop = asyncio.get_running_loop()

    def add(self, pending: W) -> None:
        tick = int(pending.deadline / TICK_SECONDS) + 1
        due = self._due.get(tick)
        if due is None:
            due = self._due[tick] = set()
            self._loop.call_at(tick * TICK_SECONDS, self._fall_due, tick)
        due.add(pending)

    def discard(self, pending: W) -> None:
        due = self._due.get(int(pending.deadline / TICK_SECONDS) + 1)
        if due is not None:
            due.discard(pending)

    def _fall_due(self, tick: int) -> None:
        for pending in self._due.pop(tick):
            self._expire(pending)
