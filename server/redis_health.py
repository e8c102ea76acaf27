"""Whether Redis answers. It carries hints only, so readiness tells of it and does not depend on it."""

from __future__ import annotations

from typing import Literal

from server.fanout.bus import Bus


class RedisHealth:
    """As the bus knows it, whose canary comes back each second or not at all."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def state(self) -> Literal["up", "down"]:
        return "up" if self._bus.up else "down"
