"""Holding a coroutine of the server at its door, so that a test decides what happens meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any


class CallGate:
    """Stands around an async function; what calls it waits inside until the gate is opened."""

    def __init__(self, function: Callable[..., Awaitable[Any]], *, after: bool = False) -> None:
        self._function = function
        self._after = after
        self.entered = asyncio.Event()
        self.opened = asyncio.Event()
        self.calls = 0

    async def __call__(self, *args: Any, **options: Any) -> Any:
        self.calls += 1
        if self._after:
            result = await self._function(*args, **options)
            await self._wait()
            return result
        await self._wait()
        return await self._function(*args, **options)

    async def _wait(self) -> None:
        self.entered.set()
        await self.opened.wait()
