"""Routes for operators: alive, ready, metrics.

Nothing is kept in Redis, so readiness reports it and does not depend on it. Workers of a port are one server to a load
balancer: it is ready when every worker that answers is. One that is being started again takes no connections, and does
not take the others out of service.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from typing import Literal

import msgspec
from aiohttp import web

from domain.wire import codec
from rest.errors import error_middleware
from rest.headers import AllowedOrigins, header_signal, request_id_middleware
from server.pubsub.bus import Bus
from server.pubsub.connection import UNREACHABLE, reaching_redis
from store.database import Database

# Below what a worker waits for the others' answers.
_BRIEF_SECONDS = 0.7


class RedisHealth:
    """Asked for anew each time: the bus itself may still be reconnecting, or not have noticed a loss yet."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def state(self) -> Literal["up", "down"]:
        try:
            with reaching_redis():
                await self._bus.redis.ping()
        except UNREACHABLE:
            return "down"
        return "up"


def operations_app() -> web.Application:
    """For a listener that is the operators' own: errors and headers as everywhere, and no other origin's pages."""
    app = web.Application()
    app.middlewares.extend([request_id_middleware, error_middleware(())])
    app.on_response_prepare.append(header_signal(AllowedOrigins(()), secure=False, exempt=()))
    return app


class Operations:
    """``metrics``: the page; ``draining``: whether the node is on its way out; ``prepared``: whether it has found its
    database; ``revocations_known``: whether its sockets may be served; ``others``: each other worker's ``brief``."""

    def __init__(
        self,
        database: Database,
        redis: RedisHealth,
        metrics: Callable[[], Awaitable[bytes]],
        draining: Callable[[], bool],
        prepared: Callable[[], bool],
        revocations_known: Callable[[], bool],
        others: Callable[[], Awaitable[Collection[bytes]]] | None = None,
    ) -> None:
        self._database = database
        self._redis = redis
        self._metrics = metrics
        self._draining = draining
        self._prepared = prepared
        self._revocations_known = revocations_known
        self._others = others

    def attach_public(self, app: web.Application) -> None:
        """What anybody may ask."""
        app.router.add_get("/healthz", self.healthz)

    def attach(self, app: web.Application) -> None:
        """What costs more than that, or tells more."""
        app.router.add_get("/readyz", self.readyz)
        app.router.add_get("/metrics", self.metrics)

    async def healthz(self, request: web.Request) -> web.Response:
        """The process is alive."""
        return web.json_response({"status": "ok"})

    async def readyz(self, request: web.Request) -> web.Response:
        """503 while MongoDB does not answer, sockets are not served or the node drains; Redis is only reported."""
        if self._others is None:
            body = await self._state()
        else:
            body = await self._of_all(self._others)
        status = 200 if body["status"] == "ready" else 503
        return web.Response(status=status, body=codec.encode(body), content_type="application/json")

    async def brief(self) -> bytes:
        """This worker's part, in the time that another waits for it."""
        try:
            async with asyncio.timeout(_BRIEF_SECONDS):
                return codec.encode(await self._state())
        except TimeoutError:
            return codec.encode({"status": "unavailable", "mongo": "down"})

    async def _of_all(self, others: Callable[[], Awaitable[Collection[bytes]]]) -> dict[str, str]:
        own, received = await asyncio.gather(self._state(), others())
        states = [own, *(msgspec.json.decode(one, type=dict[str, str]) for one in received)]
        worst = next((state for state in states if state["status"] != "ready"), own)
        redis = "down" if any(state.get("redis") == "down" for state in states) else own["redis"]
        ready = sum(state["status"] == "ready" for state in states)
        return {**worst, "redis": redis, "workers": f"{ready} of {len(states)} ready"}

    async def _state(self) -> dict[str, str]:
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
        return body

    async def metrics(self, request: web.Request) -> web.Response:
        return web.Response(
            body=await self._metrics(), headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}
        )
