"""Devices over every transport live through a day, an absence and a restart, and all end with the same."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from store.database import Database
from tests.conversations.random_traffic import RandomTraffic
from tests.conversations.replica import Replica
from tests.harness.devices import Device
from tests.harness.nodes import running_node
from tests.harness.people import People, Person
from tests.harness.service import OneNode, Service

TRANSPORTS = (("websocket",), ("polling",), ("polling", "websocket"))


class Phone:
    """A device and what it holds, which outlasts its connections."""

    def __init__(self, person: Person, transports: tuple[str, ...]) -> None:
        self.person = person
        self._transports = transports
        self.replica = Replica(person.id)
        self.device: Device

    async def connect(self, service: Service, stack: AsyncExitStack) -> Device:
        """Live events first, then what was missed: nothing falls in between."""
        self.device = await stack.enter_async_context(service.device(self.person, transports=self._transports))
        more = True
        while more:
            answer = await self.device.do("sync", {"cursors": self.replica.named, "limit": 50})
            self.replica.take(answer, quiet=False)
            more = answer["hasMore"]
        return self.device

    async def settle(self, head: int) -> dict[str, object]:
        """What it holds when all that was said before has arrived, the entries up to the head and its own answers."""
        await self.device.do("conversation:list")
        await self.device.until(lambda device: self._has_received(device, head))
        return self.replica.state()

    def _has_received(self, device: Device, head: int) -> bool:
        for event, data in device.received:
            self.replica.receive(event, data)
        device.received.clear()
        return max(self.replica.cursors.values()) >= head


async def _phones(people: People, person: Person) -> list[Phone]:
    return [Phone(await people.another_device(person), transports) for transports in TRANSPORTS]


async def _all_agree(phones: list[Phone]) -> None:
    for person_id in {phone.person.id for phone in phones}:
        mine = [phone for phone in phones if phone.person.id == person_id]
        fresh = Replica(person_id)
        fresh.take(await mine[0].device.do("sync", {"cursors": {}}))
        states = [await phone.settle(max(fresh.cursors.values())) for phone in mine]
        assert all(state == states[0] for state in states)
        assert fresh.cursors == mine[0].replica.cursors


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.verify)])
async def test_an_absence(service: Service, seed: int) -> None:
    client, trainer, conversation = await service.people.pair()
    phones = [*await _phones(service.people, client), *await _phones(service.people, trainer)]
    async with AsyncExitStack() as stack:
        for phone in phones[1:]:
            await phone.connect(service, stack)
        life = RandomTraffic({conversation: (phones[1].device, phones[3].device)}, seed)
        await life.go_on(10)
        async with AsyncExitStack() as briefly:
            await phones[0].connect(service, briefly)
            await life.go_on(40)
            await phones[0].settle(0)
        await life.go_on(60)
        returning = asyncio.ensure_future(life.go_on(60, at_once=10))
        await phones[0].connect(service, stack)
        await returning
        await _all_agree(phones)


async def test_a_restart(database: Database, database_url: str, redis_url: str, tmp_path: Path) -> None:
    phones: list[Phone] = []
    conversation = ""
    for start in range(3):
        async with running_node(database_url, redis_url, tmp_path) as node, AsyncExitStack() as stack:
            if not phones:
                people = OneNode(node).people
                client, trainer, conversation = await people.pair()
                phones = [*await _phones(people, client), *await _phones(people, trainer)]
            for phone in phones:
                await phone.connect(OneNode(node), stack)
            await _all_agree(phones)
            life = RandomTraffic({conversation: (phones[start].device, phones[3 + start].device)}, start)
            life._number = 1000 * start
            await life.go_on(40)
            await _all_agree(phones)
