"""A device that was away arrives, by its cursors alone, where one is that stayed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from random import Random

import pytest

from tests.conversations.replica import Replica
from tests.conversations.stage import Caller, Stage
from tests.harness.devices import Data
from tests.harness.people import Person

EMOJIS = ("👍", "🎉", "💪")


@dataclass
class Office:
    """A trainer with several clients; ``stayed`` is the trainer's device that hears everything."""

    trainer: Person
    device: Caller
    clients: dict[str, Caller]
    stayed: Replica

    def fork(self) -> Replica:
        """A device that has been told all that was said so far, and leaves."""
        away = Replica(self.trainer.id)
        listen(self.device, away)
        return away

    def catch_up(self) -> None:
        self.stayed = Replica(self.trainer.id)
        listen(self.device, self.stayed)


def listen(device: Caller, replica: Replica) -> None:
    for event, data in device.stage.recorder.to(device.person):
        replica.hear(event, data)


@pytest.fixture
async def office(stage: Stage) -> AsyncIterator[Office]:
    trainer = await stage.people.make("trainer")
    clients: dict[str, Caller] = {}
    for _ in range(3):
        device = stage.device(await stage.people.make("client"))
        opened = await device.do("conversation:open", {"userId": trainer.id})
        clients[opened["conversation"]["id"]] = device
    office = Office(trainer, stage.device(trainer), clients, Replica(trainer.id))
    for conversation, client in clients.items():
        await client.send(conversation, "first", "the first of all")
    yield office


class Life:
    """A day in these conversations: people send, change, react, read, and take back."""

    def __init__(self, office: Office, seed: int) -> None:
        self._office = office
        self._chance = Random(seed)
        self._number = 0
        self._messages: list[tuple[Caller, Data]] = []

    async def go_on(self, changes: int, at_once: int = 60) -> None:
        """So many entries of the logs, give or take a change that changes nothing."""
        while changes > 0:
            size = min(at_once, changes)
            await asyncio.gather(*(self._step() for _ in range(size)))
            changes -= size

    async def _step(self) -> None:
        conversation, client = self._chance.choice(list(self._office.clients.items()))
        device = self._chance.choice((client, self._office.device))
        kind = self._chance.choices(("send", "edit", "react", "delete", "read"), (55, 20, 15, 5, 5))[0]
        if kind == "read":
            await self._read(device, conversation)
        elif kind == "send" or not self._messages:
            self._number += 1
            words = f"number {self._number}"
            self._messages.append((device, await device.send(conversation, words, words)))
        else:
            await self._change(kind)

    async def _change(self, kind: str) -> None:
        number = self._chance.randrange(len(self._messages))
        author, message = self._messages[number]
        command: Data = {"messageId": message["id"]}
        if kind == "react":
            emoji, remove = self._chance.choice(EMOJIS), self._chance.random() < 0.3
            await self._office.device.ask("message:react", command | {"emoji": emoji, "remove": remove})
        elif kind == "edit":
            self._number += 1
            await author.ask("message:edit", command | {"text": f"number {self._number}"})
        else:
            await author.ask("message:delete", command)

    async def _read(self, device: Caller, conversation: str) -> None:
        seq = self._chance.randint(0, 200)
        event = self._chance.choice(("conversation:seen", "conversation:delivered"))
        await device.do(event, {"conversationId": conversation, "seq": seq})


async def come_back(device: Caller, away: Replica, limit: int) -> int:
    """Sync until there is no more; answers how many entries came."""
    told, more = 0, True
    while more:
        answer = await device.do("sync", {"cursors": away.cursors, "limit": limit})
        counted = sum(len(each["entries"]) for each in answer["conversations"])
        assert counted <= limit
        assert counted or not answer["hasMore"]
        away.take(answer)
        told, more = told + counted, answer["hasMore"]
    return told


@pytest.mark.parametrize(
    ("changes", "limit"),
    [(1, 100), (300, 100), (300, 7), (1500, 500), pytest.param(10_000, 500, marks=pytest.mark.soak)],
)
async def test_by_cursor_alone(office: Office, changes: int, limit: int) -> None:
    life = Life(office, seed=changes)
    await life.go_on(20)
    away = office.fork()
    cursors = away.cursors
    await life.go_on(changes)
    office.catch_up()
    told = await come_back(office.device, away, limit)
    assert away.state() == office.stayed.state()
    assert told == sum(office.stayed.cursors[i] - cursor for i, cursor in cursors.items())


async def test_in_several_absences(office: Office) -> None:
    """Each time with what had been told so far, live and by sync."""
    life = Life(office, seed=4)
    away = office.fork()
    for absence in range(4):
        await life.go_on(25)
        await come_back(office.device, away, limit=10)
        office.catch_up()
        assert away.state() == office.stayed.state(), absence


async def test_live_events_that_sync_has_told_already_do_no_harm(office: Office) -> None:
    life = Life(office, seed=5)
    await life.go_on(40)
    away = Replica(office.trainer.id)
    await come_back(office.device, away, limit=500)
    state = away.state()
    listen(office.device, away)
    assert away.state() == state


async def test_a_new_device_holds_the_newest_of_the_same(office: Office) -> None:
    life = Life(office, seed=6)
    await life.go_on(200)
    office.catch_up()
    fresh = Replica(office.trainer.id)
    fresh.take(await office.device.do("sync"))
    assert fresh.cursors == office.stayed.cursors
    for conversation, held in fresh.conversations.items():
        stayed = office.stayed.conversations[conversation]
        newest = sorted(stayed.messages.values(), key=lambda message: int(message["seq"]))[-20:]
        told = sorted(held.messages.values(), key=lambda message: int(message["seq"]))
        assert [{**m, "seen": stayed.seen(m)} for m in newest] == told
        assert held.marks == stayed.marks
