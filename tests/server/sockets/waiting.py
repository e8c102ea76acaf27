"""Waiting for what happens inside the server's part of this process, which no message tells of."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from tests.harness.devices import PATIENCE_SECONDS


async def until(condition: Callable[[], bool], within: float = PATIENCE_SECONDS) -> None:
    """Let the event loop turn until it is so."""
    async with asyncio.timeout(within):
        for _ in iter(condition, True):
            await asyncio.sleep(0)
