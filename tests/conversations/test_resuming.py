"""Many devices that come back at once: what ``sync`` costs, what it answers, and how many are at work."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator

import pytest

from domain.conversations import Conversation
from domain.errors import DomainError
from domain.times import whole_milliseconds
from domain.wire.conversations import Sync, SyncAnswer, SyncedConversation
from domain.wire.fields import MAX_SEQ
from handlers.access import Actor
from handlers.context import SYNCS_AT_ONCE, SYNCS_OF_ONE_USER, Context, no_turn
from handlers.messages import sync as syncing
from handlers.messages import views
from server.app import utc_now
from store.command_budget import Budget, within
from store.database import Database
from store.fair_limiter import FairLimiter
from store.log.reader import Entry
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


@pytest.mark.parametrize("how", ["first", "beyond", "behind"])
async def test_the_commands_of_a_sync_do_not_grow_with_its_conversations(
    node: OneNodeService, counted: CountedDatabase, how: str
) -> None:
    fresh, commands = OneNodeService(counted), counted.counter.commands
    costs = []
    for count in (5, 105):
        trainer, ids = await _talks(node, count, 2)
        cursor = {"first": None, "beyond": 9, "behind": 1}[how]
        cursors = {} if cursor is None else dict.fromkeys(ids, cursor)
        begun = len(commands)
        answer = await fresh.device(trainer).do("sync", {"cursors": cursors, "limit": 500})
        assert len(answer["conversations"]) == (min(100, count) if how == "first" else count)
        assert all(each["entries"] for each in answer["conversations"])
        costs.append(len(commands) - begun)
    # Batches of the driver, no more.
    assert costs[1] <= costs[0] + 12


# --- what it answered before, conversation by conversation ---


async def _started(context: Context, view: Conversation) -> SyncedConversation:
    records = await context.store.log.read.before(view.id, view.head + 1, syncing.FIRST_MESSAGES)
    entries = [syncing._entry(context, view, Entry(view.id, record.seq, None, record)) for record in records]
    return SyncedConversation(conversation=view, entries=entries, cursor=view.head, has_more=False, reset=True)


def _weight(start: SyncedConversation) -> int:
    texts = sum(len((entry.message.text or "").encode()) for entry in start.entries)
    return syncing.CONVERSATION_BYTES + syncing.MESSAGE_BYTES * len(start.entries) + texts


async def _one_by_one(context: Context, actor: Actor, command: Sync, room: int) -> SyncAnswer:
    read, cursors = context.store.log.read, command.cursors
    conversations: list[SyncedConversation] = []
    if cursors:
        heads = await read.heads(cursors)
        behind = {i: (cursor, heads[i]) for i, cursor in cursors.items() if cursor < heads[i]}
        entries = syncing.take_within_size(
            await read.between(behind, command.limit, room), lambda entry: syncing.weight(entry.record), room
        )
        left = room - sum(syncing.weight(entry.record) for entry in entries)
        records = await context.store.conversations.records(cursors)
        for view in await views.conversation_views(context, actor.user_id, [records[i] for i in cursors], heads):
            if cursors[view.id] <= heads[view.id]:
                own = [entry for entry in entries if entry.conversation_id == view.id]
                conversations.append(syncing._continued(context, view, cursors[view.id], own))
            elif left > 0:
                start = await _started(context, view)
                left -= _weight(start)
                conversations.append(start)
            else:
                conversations.append(
                    SyncedConversation(conversation=view, entries=[], cursor=MAX_SEQ, has_more=True)
                )
    page = await context.store.conversations.page(actor.user_id, None, syncing.UNNAMED + 1, leaving_out=cursors)
    started: list[SyncedConversation] = []
    left = room
    for view in await views.conversation_views(context, actor.user_id, page[: syncing.UNNAMED]):
        start = await _started(context, view)
        left -= _weight(start)
        if left < 0 and started:
            break
        started.append(start)
    conversations += started
    more = len(page) > len(started) or any(each.has_more for each in conversations)
    return SyncAnswer(conversations=conversations, has_more=more)


@pytest.mark.parametrize("room", [1, 30_000, 90_000, syncing.ANSWER_BYTES])
async def test_it_answers_what_it_answered_one_by_one(
    node: OneNodeService, monkeypatch: pytest.MonkeyPatch, room: int
) -> None:
    rng = random.Random(room)
    trainer, ids = await _talks(node, 14, 0)
    device = node.device(trainer)
    for conversation in ids:
        sent: list[str] = []
        for number in range(rng.choice((0, 1, 5, 25))):
            message = await device.send(conversation, f"{number}", "ж" * rng.choice((1, 30, 2000)))
            sent.append(message["id"])
        for message_id in rng.sample(sent, len(sent) // 4):
            await device.do(*rng.choice((
                ("message:edit", {"messageId": message_id, "text": "other words"}),
                ("message:delete", {"messageId": message_id}),
                ("message:react", {"messageId": message_id, "emoji": "👍"}),
            )))  # fmt: skip
    await node.settled()
    fitting = syncing.take_within_size
    monkeypatch.setattr(syncing, "ANSWER_BYTES", room)
    monkeypatch.setattr(syncing, "take_within_size", lambda items, weigh, budget=room: fitting(items, weigh, budget))
    actor = Actor(trainer.id, trainer.role, "0" * 24, trainer.session_id)
    for _ in range(6):
        named_ids = rng.sample(ids, rng.choice((0, 3, 14)))
        cursors = {i: rng.choice((0, 1, 3, 26, MAX_SEQ)) for i in named_ids}
        command = Sync(cursors=cursors, limit=rng.choice((1, 10, 500)))
        assert await syncing.sync(node.context, actor, command) == await _one_by_one(
            node.context, actor, command, room
        )


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
