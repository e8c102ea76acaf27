"""Messages between the processes of the service, by channel, over Redis pub/sub.

Publishing never waits and never fails: what Redis does not carry is lost, and who has to know registers with
``on_restored`` (we may have missed messages) and ``on_publishing`` (others may have missed ours).
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from redis.asyncio import Redis
from redis.asyncio.cluster import RedisCluster

from server.callbacks import notify_all
from server.pubsub.addresses import parse
from server.pubsub.channels import Receive, Subscription
from server.pubsub.connection import ANSWER_WITHIN_SECONDS
from server.pubsub.pair import ConnectionPair
from server.pubsub.servers import Cluster, Rerouting, Sentinels, Single

RedisClient: TypeAlias = "Redis | RedisCluster"


class Topology(Protocol):
    sharded: bool

    @property
    def client(self) -> RedisClient: ...
    @property
    def up(self) -> bool: ...
    @property
    def publishing(self) -> bool: ...
    def route(self, channel: bytes) -> ConnectionPair | None: ...
    def moved(self, *, unpublished: bool) -> None: ...
    def start(self) -> Awaitable[None]: ...
    def stop(self) -> Awaitable[None]: ...


def topology(url: str, node: str, owner: Rerouting) -> Topology:
    """By the URL; ``owner`` is called as the pairs come and go."""
    address = parse(url)
    if address.kind == "cluster":
        return Cluster(address, node, owner)
    if address.kind == "sentinel":
        return Sentinels(address, node, owner)
    return Single(address, node, owner)


Restored = Callable[[Collection[str]], None]


@dataclass(slots=True)
class BusCounters:
    publishes: int = 0
    failures: int = 0
    reconnects: int = 0


class Bus:
    """``node`` names this process among all. Make it inside the running loop."""

    def __init__(self, url: str) -> None:
        self.node = secrets.token_hex(8)
        self.counters = BusCounters()
        # Grows with every change of a publishing connection: what is between may never have been published.
        self.epoch = 0
        self._subscriptions: dict[str, Subscription] = {}
        self._homes: dict[str, ConnectionPair] = {}
        self._restored: list[Restored] = []
        self._publishing: list[Callable[[], None]] = []
        self._topology: Topology = topology(url, self.node, self)

    async def start(self) -> None:
        """Connect; returns when everything is up, or after a second without it."""
        await self._topology.start()
        deadline = asyncio.get_running_loop().time() + ANSWER_WITHIN_SECONDS
        # Once in a process's life; nothing that is worth an event of its own.
        while not self.up and asyncio.get_running_loop().time() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(0.01)

    async def stop(self) -> None:
        await self._topology.stop()

    @property
    def up(self) -> bool:
        """Whether all connections are up and all channels confirmed, as of the last canary."""
        return self._topology.up

    @property
    def publishing(self) -> bool:
        """Whether everything that is published now reaches Redis, as of the last canary."""
        return self._topology.publishing

    @property
    def sharded(self) -> bool:
        """Whether this is a cluster: scripts then use SPUBLISH, and keys and channels of one carry one {tag}."""
        return self._topology.sharded

    @property
    def redis(self) -> RedisClient:
        """For commands and scripts, which may raise or time out."""
        return self._topology.client

    @property
    def channels(self) -> int:
        return len(self._subscriptions)

    def on_restored(self, callback: Restored) -> None:
        """Call it with the channels that may have missed messages, each time once all of them are confirmed (again)."""
        self._restored.append(callback)

    def on_publishing(self, callback: Callable[[], None]) -> None:
        """Call it whenever publishing works (again): what was published in the last seconds may be lost."""
        self._publishing.append(callback)

    # --- publishing ---

    def publish(self, channel: str, payload: bytes) -> None:
        """Hand the payload to everyone who listens, ourselves included; never waits, never raises."""
        name = channel.encode()
        pair = self._topology.route(name)
        self.counters.publishes += 1
        if pair is None:
            self.counters.failures += 1
        else:
            pair.publish(name, payload)

    # --- listening ---

    async def subscribe(self, channel: str, receive: Receive) -> bool:
        """Listen; true once Redis has confirmed the subscription.

        False at once when Redis is down, or after a second without an answer: the subscription is then made on
        return, and ``on_restored`` names the channel. One receiver a channel.
        """
        subscription = self._subscriptions.get(channel)
        if subscription is None:
            subscription = self._subscriptions[channel] = Subscription(channel, receive)
            self._place(subscription)
        if subscription.confirmed:
            return True
        home = self._homes.get(channel)
        if home is None or not home.listening:
            return False
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[bool] = loop.create_future()
        subscription.waiters.append(waiter)
        timer = loop.call_later(ANSWER_WITHIN_SECONDS, subscription.wake, False)
        confirmed = await waiter
        timer.cancel()
        subscription.missed = subscription.missed or not confirmed
        return confirmed

    def unsubscribe(self, channel: str) -> None:
        subscription = self._subscriptions.pop(channel, None)
        home = self._homes.pop(channel, None)
        if subscription is None:
            return
        if home is not None:
            home.remove(subscription)
        subscription.wake(False)

    def _place(self, subscription: Subscription) -> None:
        """Subscribe on the connection of the channel's node."""
        home, was = self._topology.route(subscription.channel), self._homes.get(subscription.name)
        if home is was and home is not None:
            return
        if was is not None:
            del self._homes[subscription.name]
            was.remove(subscription)
        if home is None:
            subscription.missed = True
        else:
            self._homes[subscription.name] = home
            home.add(subscription)

    # --- the owner of pairs ---

    def rerouted(self) -> None:
        """Channels may live elsewhere now."""
        for subscription in tuple(self._subscriptions.values()):
            self._place(subscription)

    def restored(self, names: Collection[str]) -> None:
        notify_all(self._restored, names)

    def publishing_again(self) -> None:
        self.epoch += 1
        notify_all(self._publishing)

    def disconnected(self) -> None:
        self.epoch += 1

    def publish_failed(self, count: int) -> None:
        self.counters.failures += count

    def reconnected(self) -> None:
        self.counters.reconnects += 1

    def moved(self, *, unpublished: bool) -> None:
        self._topology.moved(unpublished=unpublished)
