"""The primary stands still and a node is killed meanwhile: what the dead had under way is committed long after, and
nobody misses it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from bson import ObjectId

from server.app import utc_now
from store.log.documents import MESSAGES
from tests.faults.conftest import OwnServers
from tests.faults.tap import Tap, tapped
from tests.harness.devices import Data, Device, Refused, device
from tests.harness.freezing import frozen
from tests.harness.nodes import RunningNode, running_node
from tests.harness.people import People, Person
from tests.harness.waiting import eventually
from tests.together.processes import Served, served

PAIRS = 3
# Of each client, of which one is being written and the others wait for it.
IN_FLIGHT = 4
# A death is noticed within 15 s; three times as much.
WITHIN_SECONDS = 45.0
INSERT = ("insert", MESSAGES)
ENTRIES = ("message:new", "message:updated")


@dataclass
class Conversation:
    """A client who sends by way of the first node; both have a device at the second."""

    id: str
    client: Person
    trainer: Person
    sender: Device
    devices: list[Device]
    acknowledged: dict[str, int]

    async def send(self, phone: Device, mark: str) -> None:
        self.acknowledged[mark] = (await phone.send(self.id, mark, mark))["seq"]

    async def stored(self, node: RunningNode) -> list[Data]:
        found = node.node.database.collection(MESSAGES).find({"conversationId": ObjectId(self.id)})
        return await found.sort("seq", 1).to_list(None)

    def live(self, phone: Device) -> list[int]:
        return [
            data["seq"] for name, data in phone.received if name in ENTRIES and data["conversationId"] == self.id
        ]

    async def whole(self, phone: Device, since: int, head: int) -> None:
        """Wait until it has all past its cursor, or knows that it has to ask: what it was given live came once and in
        order, and its cursor brings it the rest."""
        expected = {*range(since + 1, head + 1)}
        await phone.until(
            lambda phone: expected <= {*self.live(phone)} or bool(phone.events("sync:required")), WITHIN_SECONDS
        )
        live = self.live(phone)
        assert live == sorted(set(live))
        (synced,) = (await phone.do("sync", {"cursors": {self.id: since}, "limit": 500}))["conversations"]
        assert [entry["seq"] for entry in synced["entries"]] == [*range(since + 1, head + 1)]


@dataclass
class TwoNodes:
    """``first`` reaches MongoDB through ``tap``; ``second`` lives on."""

    servers: OwnServers
    tap: Tap
    first: Served
    second: RunningNode
    conversations: list[Conversation]

    async def interrupted(self, seconds: float) -> None:
        """Sends are on their way to a primary that stands still, when their node is killed."""
        self.tap.arm(("never", ""), lambda: None)
        with frozen(self.servers.mongod):
            sending = [
                asyncio.create_task(one.sender.ask("message:send", _message(one, f"in flight {number}")))
                for number in range(IN_FLIGHT)
                for one in self.conversations
            ]

            async def on_their_way() -> bool:
                return self.tap.seen.count(INSERT) > 0

            await eventually(on_their_way)
            await self.first.kill()
            for task in sending:
                task.cancel()
            await asyncio.gather(*sending, return_exceptions=True)
            await asyncio.sleep(seconds)

    async def late(self) -> list[Conversation]:
        """Those of which the dead node's entries are stored after all: at least one."""

        async def found() -> list[Conversation]:
            return [one for one in self.conversations if len(await one.stored(self.second)) > len(one.acknowledged)]

        await eventually(found, WITHIN_SECONDS)
        return await found()


def _message(one: Conversation, mark: str) -> dict[str, Any]:
    return {"conversationId": one.id, "clientMessageId": mark, "text": mark}


@asynccontextmanager
async def _two_nodes(servers: OwnServers, folder: Path) -> AsyncIterator[TwoNodes]:
    place = urlsplit(servers.mongo_url)
    async with AsyncExitStack() as stack:
        tap = await stack.enter_async_context(
            tapped(place.hostname or "", place.port or 0, frozenset({MESSAGES}))
        )
        second = await stack.enter_async_context(
            running_node(servers.mongo_url, servers.redis_url, folder / "second")
        )
        name = second.node.database.db.name
        url = f"mongodb://127.0.0.1:{tap.port}/{name}?directConnection=true"
        first = await stack.enter_async_context(served(url, servers.redis_url, folder / "first"))
        people = People(second.node.store, second.node.tokens, utc_now)
        two_nodes = TwoNodes(servers, tap, first, second, [])
        for _ in range(PAIRS):
            client, trainer, conversation = await people.pair()
            sender = await stack.enter_async_context(device(first.url, client))
            devices = [
                await stack.enter_async_context(device(second.url, await people.another_device(person)))
                for person in (client, trainer)
            ]
            one = Conversation(conversation, client, trainer, sender, devices, {})
            await one.send(sender, "first")
            for phone in devices:
                await phone.receive("message:new")
            two_nodes.conversations.append(one)
        yield two_nodes


@pytest.fixture
async def two_nodes(own_servers: OwnServers, tmp_path: Path) -> AsyncIterator[TwoNodes]:
    async with _two_nodes(own_servers, tmp_path) as made:
        yield made


async def _send_until_taken(one: Conversation, phone: Device, mark: str) -> None:
    """As clients do: whoever is told that it cannot be done now repeats it."""
    async with asyncio.timeout(WITHIN_SECONDS):
        while True:
            try:
                return await one.send(phone, mark)
            except Refused as refused:
                assert refused.code == "unavailable"
                await asyncio.sleep(0.05)


FREEZES = [0.2, 3.0, pytest.param(14.0, marks=pytest.mark.soak)]


@pytest.mark.parametrize("seconds", FREEZES)
async def test_everybody_is_given_what_was_committed_late(two_nodes: TwoNodes, seconds: float) -> None:
    """Somebody joins before it is committed and somebody after, and the trainer goes on by way of the second node."""
    await two_nodes.interrupted(seconds)
    await two_nodes.late()
    for one in two_nodes.conversations:
        async with device(two_nodes.second.url, one.client) as back:
            cursor = len(await one.stored(two_nodes.second))
            # It repeats what was not acknowledged, and the trainer answers, both at once.
            marks = [f"in flight {number}" for number in range(IN_FLIGHT)]
            await asyncio.gather(
                _send_until_taken(one, one.devices[1], "answer"),
                *(_send_until_taken(one, back, mark) for mark in marks),
            )
            entries = await one.stored(two_nodes.second)
            head = len(entries)
            assert [entry["seq"] for entry in entries] == [*range(1, head + 1)]
            stored = {entry["clientMessageId"]: entry["seq"] for entry in entries}
            assert stored == one.acknowledged
            assert len(stored) == head
            for phone, since in ((back, cursor), *((phone, 1) for phone in one.devices)):
                await one.whole(phone, since, head)


@pytest.mark.verify
@pytest.mark.parametrize("seconds", FREEZES)
async def test_it_is_announced_though_nobody_goes_on(two_nodes: TwoNodes, seconds: float) -> None:
    """The survivors do it, once they know of the death."""
    await two_nodes.interrupted(seconds)
    for one in await two_nodes.late():
        head = len(await one.stored(two_nodes.second))
        for phone in one.devices:
            await one.whole(phone, 1, head)
