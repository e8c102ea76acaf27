"""Whether Redis answers. It carries hints only, so readiness tells of it and does not depend on it."""

from __future__ import annotations

from typing import Literal

from redis.asyncio import Redis
from redis.exceptions import RedisError

ANSWER_WITHIN_SECONDS = 1.0


class RedisHealth:
    def __init__(self, url: str) -> None:
        self._redis: Redis = Redis.from_url(
            url, socket_timeout=ANSWER_WITHIN_SECONDS, socket_connect_timeout=ANSWER_WITHIN_SECONDS
        )

    async def state(self) -> Literal["up", "down"]:
        try:
            await self._redis.ping()
        except (TimeoutError, RedisError, OSError):
            return "down"
        return "up"

    async def close(self) -> None:
        await self._redis.aclose()
