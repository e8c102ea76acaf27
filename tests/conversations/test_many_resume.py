"""Many devices that come back at once: what ``sync`` costs, what it answers, and how many are at work."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from domain.errors import DomainError
from domain.times import whole_milliseconds
from domain.wire.conversations import Sync
from handlers.access import Actor
from handlers.context import SYNCS_AT_ONCE, SYNCS_OF_ONE_USER, no_turn
from handlers.messages import sync as syncing
from server.app import utc_now
from store.command_budget import Budget, within
from store.database import Database
from store.fair_limiter import FairLimiter
from tests.conversations.counting import CountedDatabase
from tests.conversations.services import OneNodeService
from tests.harness.databases import named
from tests.harness.people import Person


@pytest.fixture
async def counted(mongo_url: str, shared_database: Database) -> AsyncIterator[CountedDatabase]:
    database = CountedDatabase(named(mongo_url, shared_database.db.name))
    yield database
    database.close()


@pytest.fixture
async def node(shared_database: Database) -> AsyncIterator[OneNodeService]:
    messaging = OneNodeService(shared_database)
    yield messaging
    await messaging.settled()


async def _talks(node: OneNodeService, count: int, messages: int) -> tuple[Person, list[str]]:
    """A trainer's conversations with clients who each sent so many messages."""
    trainer = await node.people.make("trainer")
    at = whole_milliseconds(utc_now())
    ids = []
    for _ in range(count):
        client = await node.people.make("client")
        await node.store.conversations.open(client.id, trainer.id, at)
        opened = await node.store.conversations.open(trainer.id, client.id, at)
        ids.append(opened.membership.conversation_id)
        for number in range(messages):
            await node.device(client).send(ids[-1], f"{number}", f"{number}")
    await node.settled()
    return trainer, ids


async def test_the_commands_of_a_sync_do_not_grow_with_its_conversations(
    node: OneNodeService, counted: CountedDatabase
) -> None:
    """First, beyond the head and behind it."""
    commands = counted.counter.commands
    # As many as an answer of 200 kB takes.
    talks = {count: await _talks(node, count, 2) for count in (5, 95)}
    for cursor in (None, 9, 1):
        fresh, costs = OneNodeService(counted), []
        for count, (trainer, ids) in talks.items():
            cursors = {} if cursor is None else dict.fromkeys(ids, cursor)
            begun = len(commands)
            answer = await fresh.device(trainer).do("sync", {"cursors": cursors, "limit": 500})
            assert len(answer["conversations"]) == count
            assert all(each["entries"] for each in answer["conversations"])
            costs.append(len(commands) - begun)
        # Batches of the driver, no more.
        assert costs[1] <= costs[0] + 12, cursor


# --- how many at a time ---


async def test_one_whose_device_has_gone_reads_nothing(node: OneNodeService) -> None:
    trainer, (conversation,) = await _talks(node, 1, 1)
    gone = Budget(trainer.id)
    gone.abandoned = lambda: True
    with within(gone):
        answer = await node.device(trainer).ask("sync", {"cursors": {conversation: 0}})
    assert answer["error"]["code"] == "unavailable"


async def test_who_gets_no_turn_in_half_of_its_time_is_told_and_the_others_are_not_held_up(
    node: OneNodeService
) -> None:
    trainer, (conversation,) = await _talks(node, 1, 1)
    holding = asyncio.Event()

    async def hold(owner: str) -> None:
        async with node.context.syncing.turn(owner, 10.0):
            await holding.wait()

    holders = [asyncio.create_task(hold(str(number))) for number in range(SYNCS_AT_ONCE)]
    await asyncio.sleep(0)
    with within(Budget(trainer.id, seconds=0.2)), pytest.raises(DomainError) as refused:
        await syncing.sync(
            node.context, Actor(trainer.id, trainer.role, "0" * 24, trainer.session_id), Sync(cursors={})
        )
    assert refused.value.code == "unavailable"
    assert refused.value.retry_after_ms == 1000
    holding.set()
    await asyncio.gather(*holders)
    assert (await node.device(trainer).do("sync", {"cursors": {conversation: 0}}))["conversations"]


async def test_the_more_wait_the_later_they_are_asked_to_come_back() -> None:
    limiter, go = FairLimiter(SYNCS_OF_ONE_USER, SYNCS_AT_ONCE, no_turn), asyncio.Event()

    async def work(owner: str) -> None:
        async with limiter.turn(owner, 60.0):
            await go.wait()

    async def refused() -> int:
        with pytest.raises(DomainError) as told:
            async with limiter.turn("late", 0.01):
                pass
        assert told.value.code == "unavailable"
        assert told.value.retry_after_ms is not None
        return told.value.retry_after_ms

    waiting = [asyncio.create_task(work(str(number))) for number in range(SYNCS_AT_ONCE)]
    await asyncio.sleep(0)
    limiter._queue._turn_seconds = 0.1
    assert await refused() == 1000
    waiting += [asyncio.create_task(work(str(number))) for number in range(400)]
    assert 5_000 <= await refused() <= 10_200
    waiting += [asyncio.create_task(work(str(number))) for number in range(4000)]
    assert 15_000 <= await refused() <= 30_000
    go.set()
    await asyncio.gather(*waiting)
    async with limiter.turn("late", 0.01):
        """Every turn was given back."""
