"""Which Redis server a channel lives on."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Protocol, TypeAlias

from redis.asyncio import Redis
from redis.asyncio.cluster import RedisCluster

from server.fanout.address import parse
from server.fanout.cluster import Cluster
from server.fanout.link import Link
from server.fanout.rerouting import Rerouting
from server.fanout.single import Sentinels, Single

RedisClient: TypeAlias = "Redis | RedisCluster"


class Topology(Protocol):
    sharded: bool

    @property
    def client(self) -> RedisClient: ...
    @property
    def up(self) -> bool: ...
    @property
    def speaking(self) -> bool: ...
    def route(self, channel: bytes) -> Link | None: ...
    def misplaced(self, *, unpublished: bool) -> None: ...
    def start(self) -> Awaitable[None]: ...
    def stop(self) -> Awaitable[None]: ...


def topology(url: str, node: str, owner: Rerouting) -> Topology:
    """What the URL says; ``owner`` hears of the links."""
    address = parse(url)
    if address.kind == "cluster":
        return Cluster(address, node, owner)
    if address.kind == "sentinel":
        return Sentinels(address, node, owner)
    return Single(address, node, owner)
