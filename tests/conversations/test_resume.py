"""A device that was away arrives, by its cursors alone, where one is that stayed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from tests.conversations.random_traffic import RandomTraffic
from tests.conversations.replica import Replica
from tests.conversations.services import Caller, ConversationService
from tests.harness.people import Person


@dataclass
class TrainerWithClients:
    """A trainer with several clients; ``stayed`` is the trainer's device that receives everything."""

    trainer: Person
    device: Caller
    talks: dict[str, tuple[Caller, Caller]]
    stayed: Replica

    async def fork(self) -> Replica:
        """A device that has been told all that was said so far, and leaves."""
        away = Replica(self.trainer.id)
        await listen(self.device, away)
        return away

    async def catch_up(self) -> None:
        self.stayed = Replica(self.trainer.id)
        await listen(self.device, self.stayed)


async def listen(device: Caller, replica: Replica) -> None:
    for event, data in await device.told():
        replica.receive(event, data)


@pytest.fixture
async def office(messaging: ConversationService) -> AsyncIterator[TrainerWithClients]:
    trainer = await messaging.people.make("trainer")
    device = messaging.device(trainer)
    talks: dict[str, tuple[Caller, Caller]] = {}
    for _ in range(3):
        client = messaging.device(await messaging.people.make("client"))
        opened = await client.do("conversation:open", {"userId": trainer.id})
        talks[opened["conversation"]["id"]] = (client, device)
    office = TrainerWithClients(trainer, device, talks, Replica(trainer.id))
    for conversation, (client, _) in talks.items():
        await client.send(conversation, "first", "the first of all")
    yield office


async def come_back(device: Caller, away: Replica, limit: int) -> int:
    """Sync until there is no more; answers how many entries came."""
    told, more = 0, True
    while more:
        answer = await device.do("sync", {"cursors": away.named, "limit": limit})
        counted = sum(len(each["entries"]) for each in answer["conversations"])
        assert counted <= limit
        assert counted or not answer["hasMore"]
        away.take(answer)
        told, more = told + counted, answer["hasMore"]
    return told


@pytest.mark.parametrize(
    ("changes", "limit"),
    [
        (1, 100),
        (300, 100),
        pytest.param(300, 7, marks=pytest.mark.verify),
        pytest.param(700, 300, marks=pytest.mark.verify),
        pytest.param(10_000, 500, marks=pytest.mark.soak),
    ],
)
async def test_by_cursor_alone(office: TrainerWithClients, changes: int, limit: int) -> None:
    life = RandomTraffic(office.talks, seed=changes)
    await life.go_on(20)
    away = await office.fork()
    cursors = away.cursors
    await life.go_on(changes)
    await office.catch_up()
    told = await come_back(office.device, away, limit)
    assert away.state() == office.stayed.state()
    assert told == sum(office.stayed.cursors[i] - cursor for i, cursor in cursors.items())


async def test_in_several_absences(office: TrainerWithClients) -> None:
    """Each time with what had been told so far, live and by sync."""
    life = RandomTraffic(office.talks, seed=4)
    away = await office.fork()
    for absence in range(4):
        await life.go_on(25)
        await come_back(office.device, away, limit=10)
        await office.catch_up()
        assert away.state() == office.stayed.state(), absence


async def test_live_events_that_sync_has_told_already_do_no_harm(office: TrainerWithClients) -> None:
    life = RandomTraffic(office.talks, seed=5)
    await life.go_on(40)
    away = Replica(office.trainer.id)
    await come_back(office.device, away, limit=500)
    state = away.state()
    await listen(office.device, away)
    assert away.state() == state


async def test_a_new_device_holds_the_newest_of_the_same(office: TrainerWithClients) -> None:
    life = RandomTraffic(office.talks, seed=6)
    await life.go_on(200)
    await office.catch_up()
    fresh = Replica(office.trainer.id)
    fresh.take(await office.device.do("sync", {"cursors": {}}))
    assert fresh.cursors == office.stayed.cursors
    for conversation, held in fresh.conversations.items():
        stayed = office.stayed.conversations[conversation]
        newest = sorted(stayed.messages.values(), key=lambda message: int(message["seq"]))[-20:]
        told = sorted(held.messages.values(), key=lambda message: int(message["seq"]))
        assert [{**m, "seen": stayed.seen(m)} for m in newest] == told
        assert held.marks == stayed.marks
