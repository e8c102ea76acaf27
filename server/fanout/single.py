"""One Redis server for everything: at a fixed address, or wherever the sentinels say."""

from __future__ import annotations

import asyncio
from typing import Any

from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.sentinel import Sentinel
from redis.exceptions import RedisError

from server.fanout.address import Address
from server.fanout.connection import ANSWER_WITHIN_SECONDS
from server.fanout.dialect import PLAIN
from server.fanout.endpoint import Endpoint
from server.fanout.link import Link, Owner

# redis-py's own time limits are none at all.
TIME_LIMITS: dict[str, Any] = {
    "socket_timeout": ANSWER_WITHIN_SECONDS,
    "socket_connect_timeout": ANSWER_WITHIN_SECONDS,
}
_ASK_SENTINELS_EVERY_SECONDS = 1.0


class Single:
    sharded = False

    def __init__(self, address: Address, node: str, owner: Owner) -> None:
        self._address = address
        self._link = Link(self._locate, PLAIN, f"spotter:canary:{node}", owner)
        self._client = self._make_client()

    @property
    def client(self) -> Redis:
        return self._client

    @property
    def up(self) -> bool:
        return self._link.up

    @property
    def speaking(self) -> bool:
        return self._link.speaking

    def route(self, channel: bytes) -> Link | None:
        return self._link

    def misplaced(self, *, unpublished: bool) -> None:
        """There is no other."""

    async def start(self) -> None:
        self._link.start()

    async def stop(self) -> None:
        await self._link.stop()
        await self._client.aclose()

    async def _locate(self) -> Endpoint:
        return self._address.endpoint

    def _make_client(self) -> Redis:
        return Redis(connection_pool=ConnectionPool(**{**TIME_LIMITS, **self._address.options}))


class Sentinels(Single):
    """The master of a name; asked for at each connect, and now and then, since a deposed one may go on answering."""

    def __init__(self, address: Address, node: str, owner: Owner) -> None:
        extra = {k: v for k, v in address.options.items() if k not in ("host", "port", "connection_class")}
        extra["ssl"] = address.endpoint.tls is not None
        self._sentinel = Sentinel(  # type: ignore[no-untyped-call]
            list(address.hosts),
            sentinel_kwargs={**TIME_LIMITS, **(address.sentinel_options or {})},
            **TIME_LIMITS,
            **extra,
        )
        self._watch: asyncio.Task[None] | None = None
        super().__init__(address, node, owner)

    async def start(self) -> None:
        await super().start()
        self._watch = asyncio.get_running_loop().create_task(self._follow())

    async def stop(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)
        await super().stop()
        for sentinel in self._sentinel.sentinels:
            await sentinel.aclose()

    async def _locate(self) -> Endpoint:
        host, port = await self._sentinel.discover_master(self._address.master)
        return self._address.endpoint.at((str(host), int(port)))

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(_ASK_SENTINELS_EVERY_SECONDS)
            try:
                now = await self._locate()
            except (OSError, TimeoutError, RedisError):
                continue
            if self._link.addresses - {(now.host, now.port)}:
                self._link.abort()

    def _make_client(self) -> Redis:
        client: Redis = self._sentinel.master_for(self._address.master)
        return client
