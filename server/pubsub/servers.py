"""Which Redis servers there are, and which connection pair carries a channel.

One server for everything, at a fixed address or wherever the sentinels say; or a cluster with sharded pub/sub, where
each channel lives on the master of its slot.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import count
from typing import Any, Protocol

import structlog
from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.cluster import ClusterNode, RedisCluster
from redis.asyncio.sentinel import Sentinel
from redis.crc import key_slot

from server.observability.logging import safe_traceback
from server.pubsub.addresses import Address, RedisAddress
from server.pubsub.channels import PLAIN, SHARDED
from server.pubsub.connection import ANSWER_WITHIN_SECONDS, UNREACHABLE, reaching_redis
from server.pubsub.pair import ConnectionPair, PairOwner
from store.concurrency import Tasks, cancelled

log = structlog.get_logger("fanout")


class Rerouting(PairOwner, Protocol):
    def rerouted(self) -> None:
        """Channels may live elsewhere now."""


# redis-py's own time limits are none at all.
TIME_LIMITS: dict[str, Any] = {
    "socket_timeout": ANSWER_WITHIN_SECONDS,
    "socket_connect_timeout": ANSWER_WITHIN_SECONDS,
}
_ASK_SENTINELS_EVERY_SECONDS = 1.0


class Single:
    sharded = False

    def __init__(self, address: Address, node: str, owner: PairOwner) -> None:
        self._address = address
        self._pair = ConnectionPair(self._locate, PLAIN, f"spotter:canary:{node}", owner)
        self._client = self._make_client()

    @property
    def client(self) -> Redis:
        return self._client

    @property
    def up(self) -> bool:
        return self._pair.up

    @property
    def publishing(self) -> bool:
        return self._pair.publishing

    def route(self, channel: bytes) -> ConnectionPair | None:
        return self._pair

    def moved(self, *, unpublished: bool) -> None:
        """There is no other."""

    async def start(self) -> None:
        self._pair.start()

    async def stop(self) -> None:
        await self._pair.stop()
        await self._client.aclose()

    async def _locate(self) -> RedisAddress:
        return self._address.endpoint

    def _make_client(self) -> Redis:
        return Redis(connection_pool=ConnectionPool(**{**TIME_LIMITS, **self._address.options}))


class Sentinels(Single):
    """The master of a name; asked for at each connect, and now and then, since a deposed one may go on answering."""

    def __init__(self, address: Address, node: str, owner: PairOwner) -> None:
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
        await cancelled([self._watch])
        await super().stop()
        for sentinel in self._sentinel.sentinels:
            await sentinel.aclose()

    async def _locate(self) -> RedisAddress:
        with reaching_redis():
            host, port = await self._sentinel.discover_master(self._address.master)
        return self._address.endpoint.at((str(host), int(port)))

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(_ASK_SENTINELS_EVERY_SECONDS)
            try:
                now = await self._locate()
            except UNREACHABLE:
                continue
            except Exception as error:
                log.error("asking the sentinels failed", **safe_traceback(error))
                continue
            if self._pair.addresses - {(now.host, now.port)}:
                self._pair.abort()

    def _make_client(self) -> Redis:
        client: Redis = self._sentinel.master_for(self._address.master)
        return client


# Asked for when a server answers that a slot has moved, and now and then in case none does.
_LOOK_EVERY_SECONDS = 5.0
_PAUSE_SECONDS = 0.2
_SLOTS = 16384


Host = tuple[str, int]


class Cluster:
    sharded = True

    def __init__(self, address: Address, node: str, owner: Rerouting) -> None:
        self._address = address
        self._node = node
        self._owner = owner
        self._pairs: dict[Host, ConnectionPair] = {}
        self._slots: list[ConnectionPair | None] = [None] * _SLOTS
        self._known: list[Host] = list(address.hosts)
        self._whole = False
        # Something was refused for being in the wrong place, and is lost until the slots are known again.
        self._unpublished = False
        self._look = asyncio.Event()
        self._watch: asyncio.Task[None] | None = None
        self._ending = Tasks()
        self._client = RedisCluster(
            startup_nodes=[ClusterNode(*host) for host in address.hosts],
            ssl=address.endpoint.tls is not None,
            **TIME_LIMITS,
            **_for_cluster(address.options),
        )

    @property
    def client(self) -> RedisCluster:
        return self._client

    @property
    def up(self) -> bool:
        return self._whole and all(pair.up for pair in self._pairs.values())

    @property
    def publishing(self) -> bool:
        return self._whole and all(pair.publishing for pair in self._pairs.values())

    def route(self, channel: bytes) -> ConnectionPair | None:
        return self._slots[key_slot(channel)]

    def moved(self, *, unpublished: bool) -> None:
        self._unpublished = self._unpublished or unpublished
        self._look.set()

    async def start(self) -> None:
        self._watch = asyncio.get_running_loop().create_task(self._follow())

    async def stop(self) -> None:
        await cancelled([self._watch])
        await self._ending.wait()
        await asyncio.gather(*(pair.stop() for pair in self._pairs.values()))
        await self._client.aclose()

    # --- following the cluster ---

    async def _follow(self) -> None:
        while True:
            self._look.clear()
            try:
                ranges = await self._ask()
                if ranges is not None:
                    self._take(ranges)
            except Exception as error:
                # Whatever a server answers: following it must not end.
                log.error("following the cluster failed", **safe_traceback(error))
            await asyncio.sleep(_PAUSE_SECONDS)
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_EVERY_SECONDS):
                    await self._look.wait()

    async def _ask(self) -> list[tuple[int, int, Host]] | None:
        """First and last slot and master of each range, from the first node that answers."""
        for host in tuple(self._known):
            where = {**TIME_LIMITS, **self._address.options, "host": host[0], "port": host[1], "db": 0}
            pool = ConnectionPool(**where)
            client = Redis(connection_pool=pool)
            try:
                client.set_response_callback("CLUSTER SLOTS", _as_it_came)
                with reaching_redis():
                    answer: Any = await client.execute_command("CLUSTER SLOTS")  # type: ignore[no-untyped-call]
                return [(start, end, _master(master, host)) for start, end, master, *_ in answer]
            except UNREACHABLE:
                # Last next time: a node that is gone should not be waited for again and again.
                self._known.remove(host)
                self._known.append(host)
            finally:
                await client.aclose()
                await pool.disconnect()
        return None

    def _take(self, ranges: list[tuple[int, int, Host]]) -> None:
        masters: dict[int, Host] = {}
        for start, end, host in ranges:
            masters |= dict.fromkeys(range(start, end + 1), host)
        gone = [
            self._pairs.pop(host)
            for host, pair in tuple(self._pairs.items())
            if masters.get(key_slot(pair.canary_channel.encode())) != host
        ]
        fresh = set(masters.values()) - self._pairs.keys()
        for host in fresh:
            self._pairs[host] = self._new_pair(host, masters)
        self._slots = [self._pairs[masters[slot]] if slot in masters else None for slot in range(_SLOTS)]
        self._whole = None not in self._slots
        self._known += [host for host in self._pairs if host not in self._known]
        for host in fresh:
            self._pairs[host].start()
        self._owner.rerouted()
        for pair in gone:
            self._ending.spawn(pair.stop())
        if self._unpublished:
            self._unpublished = False
            self._owner.publishing_again()

    def _new_pair(self, host: Host, masters: Mapping[int, Host]) -> ConnectionPair:
        endpoint = self._address.endpoint.at(host)

        async def locate() -> RedisAddress:
            return endpoint

        return ConnectionPair(locate, SHARDED, self._canary_channel(host, masters), self._owner)

    def _canary_channel(self, host: Host, masters: Mapping[int, Host]) -> str:
        """A name that lives on that master; a pair whose canary has moved is made anew."""
        names = (f"spotter:canary:{self._node}:{number}" for number in count())
        return next(name for name in names if masters.get(key_slot(name.encode())) == host)


def _for_cluster(options: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if name not in ("db", "connection_class")}


def _as_it_came(response: Any, **_: Any) -> Any:
    return response


def _master(found: Sequence[Any], asked: Host) -> Host:
    """A node may not know its own name; then it is the one that was asked."""
    host = found[0].decode() if isinstance(found[0], bytes) else found[0]
    return host or asked[0], int(found[1])
