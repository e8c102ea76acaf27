"""Whether Redis answers. It carries hints only, so readiness tells of it and does not depend on it."""

from __future__ import annotations

from typing import Literal

from redis.exceptions import RedisError

from server.fanout.bus import Bus


class RedisHealth:
    """Asked for anew each time: the bus itself may still be on its way back, or not yet know."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def state(self) -> Literal["up", "down"]:
        try:
            await self._bus.redis.ping()
        except (TimeoutError, RedisError, OSError):
            return "down"
        return "up"
