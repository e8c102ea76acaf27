"""Work that recurs for as long as the node lives."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable

import structlog

from store.concurrency import cancelled

log = structlog.get_logger("background")


class Background:
    """Each job runs at its interval, give or take a fifth, so that nodes do not work in step."""

    def __init__(self) -> None:
        self._tasks: list[asyncio.Task[None]] = []

    def every(self, seconds: float, name: str, work: Callable[[], Awaitable[object]]) -> None:
        """Start a job; what it raises is logged, and it runs again."""
        self._tasks.append(asyncio.get_running_loop().create_task(_repeat(seconds, name, work), name=name))

    async def stop(self) -> None:
        await cancelled(self._tasks)


async def _repeat(seconds: float, name: str, work: Callable[[], Awaitable[object]]) -> None:
    while True:
        await asyncio.sleep(seconds * random.uniform(0.8, 1.2))
        try:
            await work()
        except Exception as error:
            log.warning("background work failed", job=name, error=type(error).__name__)
