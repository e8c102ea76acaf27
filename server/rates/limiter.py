"""Moving windows over the `limits` library."""

from __future__ import annotations

import math
import time

from limits import RateLimitItemPerSecond
from limits.aio.strategies import MovingWindowRateLimiter

from server.rates.memory import MovingWindowMemory


class MovingWindowLimiter:
    """``scale`` multiplies every amount; with ``RedisStorage`` for the memory the fleet would share the windows."""

    def __init__(self, scale: float = 1.0) -> None:
        self._scale = scale
        self._windows = MovingWindowRateLimiter(MovingWindowMemory())

    async def wait_for(self, name: str, key: str, amount: int, seconds: int) -> float:
        """0 when there was room (and one place of it is now taken), else the seconds until there is."""
        item = RateLimitItemPerSecond(max(1, math.floor(amount * self._scale)), seconds)
        if await self._windows.hit(item, name, key):
            return 0.0
        free_at, _ = await self._windows.get_window_stats(item, name, key)
        return max(free_at - time.time(), 0.001)
