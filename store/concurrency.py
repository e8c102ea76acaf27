"""Work that several want in the same moment is done once.

Tasks that nobody waits for, held until they are done.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
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

    async def wait(self) -> None:
        """Return when none is left."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
