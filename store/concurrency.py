"""Work that several want in the same moment is done once.

Tasks that nobody waits for, held until they are done. What may be at work a few at a time, one user's not before
another's.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from time import monotonic
from typing import Any, TypeVar, cast

from store.command_budget import BUDGET_SECONDS, detached

T = TypeVar("T")


class SingleFlight:
    def __init__(self) -> None:
        self._flying: dict[str, asyncio.Task[Any]] = {}

    async def do(self, key: str, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """What the work under way under this key comes to, or the work begun with this call."""
        task = self._flying.get(key)
        if task is None:
            task = self._flying[key] = detached(work(), BUDGET_SECONDS)
            task.add_done_callback(lambda _: self._flying.pop(key))
        # Whoever leaves must not take it away from the others.
        return cast(T, await asyncio.shield(task))


class Tasks:
    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._tasks)

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


class _Owner:
    __slots__ = ("members", "turns")

    def __init__(self, turns: int) -> None:
        self.turns = asyncio.Semaphore(turns)
        self.members = 0


class FairLimiter:
    """``of_one`` of an owner at a time, ``of_all`` of everybody's; the others wait in order of arrival.

    ``refused`` makes the error for whoever waits too long, or comes when ``waiting`` wait already; it is told in how
    many seconds all who wait would have had their turns.
    """

    def __init__(
        self, of_one: int, of_all: int, refused: Callable[[float], Exception], waiting: float = math.inf
    ) -> None:
        self._of_one = of_one
        self._of_all = of_all
        self._all = asyncio.Semaphore(of_all)
        self._turn_seconds = 0.0
        self._refused = refused
        self._owners: dict[str, _Owner] = {}
        self._present = 0
        self._most = of_all + waiting

    @asynccontextmanager
    async def turn(self, owner: str, patience: float) -> AsyncIterator[None]:
        """Wait for a turn, ``patience`` seconds at most, and keep it until left."""
        if self._present >= self._most:
            raise self._refusal()
        line = self._owners.setdefault(owner, _Owner(self._of_one))
        line.members += 1
        self._present += 1
        try:
            await self._taken(line, patience)
            began = monotonic()
            try:
                yield
            finally:
                self._turn_seconds += (monotonic() - began - self._turn_seconds) / 8
                self._all.release()
                line.turns.release()
        finally:
            self._present -= 1
            line.members -= 1
            if not line.members:
                del self._owners[owner]

    async def _taken(self, line: _Owner, patience: float) -> None:
        try:
            async with asyncio.timeout(None if patience == math.inf else patience):
                await line.turns.acquire()
                try:
                    await self._all.acquire()
                except BaseException:
                    line.turns.release()
                    raise
        except TimeoutError:
            raise self._refusal() from None

    def _refusal(self) -> Exception:
        return self._refused(self._present * self._turn_seconds / self._of_all)
