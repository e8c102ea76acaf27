"""Several nodes on one database and one Redis, and people whose devices are spread over them."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter

from server.app import utc_now
from tests.harness.devices import Data, Device, device
from tests.harness.nodes import RunningNode, running_node
from tests.harness.people import People, Person
from tests.server.pubsub.redis_servers import RedisServer, redis_server

ENTRIES = ("message:new", "message:updated")


@dataclass
class ConversationDevices:
    """A conversation, and the devices of both sides; ``sent`` are the entries that were acknowledged."""

    client: Person
    trainer: Person
    id: str
    devices: list[Device] = field(default_factory=list)
    sent: dict[int, Data] = field(default_factory=dict)
    slowest: float = 0.0

    async def say(self, phone: Device, name: str) -> Data:
        began = perf_counter()
        message = await phone.send(self.id, name, f"text of {name}")
        self.slowest = max(self.slowest, perf_counter() - began)
        assert self.sent.setdefault(message["seq"], message) is message
        return message

    @property
    def head(self) -> int:
        return max(self.sent, default=0)

    async def everyone_received_everything(self, devices: Sequence[Device] | None = None) -> None:
        """Wait for the last entry; then each was received once, in order, by all."""
        await asyncio.gather(*(self._received(phone) for phone in devices or self.devices))

    async def _received(self, phone: Device) -> None:
        await phone.until(lambda phone: bool(received := self.received(phone)) and received[-1] >= self.head)
        received = self.received(phone)
        assert received == [*range(received[0], self.head + 1)], received

    def received(self, phone: Device) -> list[int]:
        return [
            data["seq"] for name, data in phone.received if name in ENTRIES and data["conversationId"] == self.id
        ]


class FanoutNodes:
    def __init__(self, redis: RedisServer, nodes: Sequence[RunningNode], stack: AsyncExitStack) -> None:
        self.redis = redis
        self.nodes = nodes
        self._stack = stack
        self.people = People(nodes[0].node.store, nodes[0].node.tokens, utc_now)

    async def join(self, person: Person, node: int) -> Device:
        return await self._stack.enter_async_context(device(self.nodes[node].url, person))

    async def talk(self) -> ConversationDevices:
        """Two people, each with a device on every node."""
        talk = ConversationDevices(*(await self.people.pair()))
        for node in range(len(self.nodes)):
            for person in (talk.client, talk.trainer):
                talk.devices.append(await self.join(await self.people.another_device(person), node))
        return talk

    async def everything_stands(self) -> None:
        async with asyncio.timeout(15):
            while not all(running.node.bus.up for running in self.nodes):  # noqa: ASYNC110
                await asyncio.sleep(0.005)


class ConversationTraffic:
    """People who keep talking until they are told to stop."""

    def __init__(self, talk: ConversationDevices, pause: float = 0.02) -> None:
        self._talk = talk
        self._pause = pause
        self._stop = asyncio.Event()
        self._tasks = [asyncio.create_task(self._chat(number)) for number in range(len(talk.devices))]

    async def _chat(self, number: int) -> None:
        count = 0
        while not self._stop.is_set():
            count += 1
            await self._talk.say(self._talk.devices[number], f"{number}-{count}")
            await asyncio.sleep(self._pause * random.uniform(0.5, 1.5))

    async def said(self, more: int) -> None:
        """Wait for so many messages more."""
        goal = self._talk.head + more
        async with asyncio.timeout(30):
            while self._talk.head < goal:
                for task in self._tasks:
                    assert not task.done() or task.exception() is None
                await asyncio.sleep(0.005)

    async def stop(self) -> None:
        self._stop.set()
        await asyncio.gather(*self._tasks)


@asynccontextmanager
async def fanout_nodes(database_url: str, folder: Path, count: int = 2) -> AsyncIterator[FanoutNodes]:
    async with AsyncExitStack() as stack:
        redis = await stack.enter_async_context(redis_server(folder / "redis"))
        nodes = [
            await stack.enter_async_context(running_node(database_url, redis.url, folder / f"node-{number}"))
            for number in range(count)
        ]
        yield FanoutNodes(redis, nodes, stack)
