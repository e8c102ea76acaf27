"""Routes for operators: alive, ready, metrics.

Redis carries hints only, so readiness reports it and does not depend on it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Literal

from aiohttp import web
from redis.exceptions import RedisError

from domain.wire import codec
from server.pubsub.bus import Bus
from store.database import Database


class RedisHealth:
    """Asked for anew each time: the bus itself may still be reconnecting, or not have noticed a loss yet."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def state(self) -> Literal["up", "down"]:
        try:
            await self._bus.redis.ping()
        except (TimeoutError, RedisError, OSError):
            return "down"
        return "up"


class Operations:
    """``metrics``: the page; ``draining``: whether the node is on its way out; ``prepared``: whether it has found its
    database; ``revocations_known``: whether its sockets may be served."""

    def __init__(
        self,
        database: Database,
        redis: RedisHealth,
        metrics: Callable[[], Awaitable[bytes]],
        draining: Callable[[], bool],
        prepared: Callable[[], bool],
        revocations_known: Callable[[], bool],
    ) -> None:
        self._database = database
        self._redis = redis
        self._metrics = metrics
        self._draining = draining
        self._prepared = prepared
        self._revocations_known = revocations_known

    def attach(self, app: web.Application) -> None:
        app.router.add_get("/healthz", self.healthz)
        app.router.add_get("/readyz", self.readyz)
        app.router.add_get("/metrics", self.metrics)

    async def healthz(self, request: web.Request) -> web.Response:
        """The process is alive."""
        return web.json_response({"status": "ok"})

    async def readyz(self, request: web.Request) -> web.Response:
        """503 while MongoDB does not answer, sockets are not served or the node drains; Redis is only reported."""
        mongo, redis = await asyncio.gather(self._database.answers(), self._redis.state())
        draining, prepared, known = self._draining(), self._prepared(), self._revocations_known()
        ready = mongo and prepared and known and not draining
        body: dict[str, str] = {
            "status": "ready" if ready else "draining" if draining else "unavailable",
            "mongo": "up" if mongo else "down",
            "redis": redis,
        }
        if mongo and not prepared:
            body["database"] = "not prepared"
        if mongo and not known:
            body["revocations"] = "unknown"
        return web.Response(status=200 if ready else 503, body=codec.encode(body), content_type="application/json")

    async def metrics(self, request: web.Request) -> web.Response:
        return web.Response(
            body=await self._metrics(), headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}
        )
