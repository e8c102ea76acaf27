"""Waiting for what no message shows."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from tests.harness.devices import TIMEOUT_SECONDS

_ASK_AGAIN_SECONDS = 0.01
# A loop that turns for nothing takes the processor from what is waited for.
_TURNS, _LOOK_AGAIN_SECONDS = 50, 0.002
# Much of it may be work of theirs, on a busy machine.
_OTHERS_TIMEOUT_SECONDS = 60.0


async def until(condition: Callable[[], bool], within: float = TIMEOUT_SECONDS) -> None:
    """Of this process: looked at in each turn of the event loop, and less often where something takes its time."""
    async with asyncio.timeout(within):
        for turn, _ in enumerate(iter(condition, True)):
            await asyncio.sleep(0 if turn < _TURNS else _LOOK_AGAIN_SECONDS)


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
