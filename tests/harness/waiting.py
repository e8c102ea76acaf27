"""Waiting for what no message shows."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from tests.harness.devices import TIMEOUT_SECONDS

_ASK_AGAIN_SECONDS = 0.01
# Much of it may be work of theirs, on a busy machine.
_OTHERS_TIMEOUT_SECONDS = 60.0


async def until(condition: Callable[[], bool], within: float = TIMEOUT_SECONDS) -> None:
    """Of this process: looked at in each turn of the event loop."""
    async with asyncio.timeout(within):
        for _ in iter(condition, True):
            await asyncio.sleep(0)


async def eventually(condition: Callable[[], object], within: float = _OTHERS_TIMEOUT_SECONDS) -> None:
    """Of another process or the database: asked again and again; what has to be awaited is."""
    async with asyncio.timeout(within):
        while True:
            holds = condition()
            if isinstance(holds, Awaitable):
                holds = await holds
            if holds:
                return
            await asyncio.sleep(_ASK_AGAIN_SECONDS)
