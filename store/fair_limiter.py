"""Turns at what is scarce, shared fairly by network and by owner."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from time import monotonic
from typing import Any, Generic, TypeVar

from store.fair_queue import FairQueue, Turn

K = TypeVar("K")
# What waits is given its turn.
_Waiter = asyncio.Future[Turn[Any]]


class FairLimiter:
    """``of_one`` of an owner at a time, ``of_network`` of a network's and of a site's, ``of_all`` of everybody's; the
    others wait.

    In which order: see ``FairQueue``. ``refused`` makes the error for whoever waits too long; it is given in how many
    seconds all who wait would have had their turns.
    """

    def __init__(
        self, of_one: int, of_all: int, refused: Callable[[float], Exception], of_network: int | None = None
    ) -> None:
        self._queue: FairQueue[_Waiter] = FairQueue(of_one, of_all, of_network)
        self._refused = refused

    @asynccontextmanager
    async def turn(self, owner: str, timeout: float, network: str = "") -> AsyncIterator[None]:
        """Wait for a turn, ``timeout`` seconds at most, and keep it until left."""
        turn = await self._taken(owner, timeout, network)
        began = monotonic()
        try:
            yield
        finally:
            self._end(turn, monotonic() - began)

    async def _taken(self, owner: str, timeout: float, network: str) -> Turn[_Waiter]:
        mine: _Waiter = asyncio.get_running_loop().create_future()
        backlog = self._queue.add(mine, owner, network)
        self._begin_next()
        try:
            async with asyncio.timeout(None if timeout == math.inf else timeout):
                return await mine
        except BaseException as error:
            seconds = self._queue.seconds_for_all
            if not self._queue.discard(backlog, mine) and not mine.cancelled():
                # It was given in the moment in which the wait ended.
                self._end(mine.result(), None)
            if isinstance(error, TimeoutError):
                raise self._refused(seconds) from None
            raise

    def _end(self, turn: Turn[_Waiter], seconds: float | None) -> None:
        self._queue.end(turn, seconds)
        self._begin_next()

    def _begin_next(self) -> None:
        while (turn := self._queue.begin()) is not None:
            if turn.what.done():
                self._queue.end(turn, None)
            else:
                turn.what.set_result(turn)

    @property
    def is_idle(self) -> bool:
        return self._queue.is_idle


class KeyedTurns(Generic[K]):
    """So many at a time for each of many keys. Networks take turns, and owners in each: however much one of them asks
    for, another waits for one of its turns and no more. ``refused``: as of a ``FairLimiter``."""

    def __init__(self, at_once: int, refused: Callable[[float], Exception]) -> None:
        self._at_once = at_once
        self._refused = refused
        self._limiters: dict[K, FairLimiter] = {}

    def __len__(self) -> int:
        return len(self._limiters)

    @asynccontextmanager
    async def turn(self, key: K, owner: str, timeout: float, network: str = "") -> AsyncIterator[None]:
        """Wait for a turn of the key, ``timeout`` seconds at most, and keep it until left."""
        limiter = self._limiters.get(key)
        if limiter is None:
            limiter = self._limiters[key] = FairLimiter(self._at_once, self._at_once, self._refused)
        try:
            async with limiter.turn(owner, timeout, network):
                yield
        finally:
            if limiter.is_idle:
                self._limiters.pop(key, None)
