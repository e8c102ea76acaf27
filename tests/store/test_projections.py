"""What a conversation shows of its log: written behind, forward only, and mended when its writer died."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import msgspec
import pytest
from bson import ObjectId

from domain.messages import MessageRecord
from store.database import Database, Document
from store.log.documents import CONVERSATIONS
from store.log.log import Log
from store.store import Store
from tests.conversations.services import OneNodeService
from tests.harness.databases import prepared_database
from tests.harness.people import Person
from tests.store.writing import a_change, a_message, apply, now, write

Pair = tuple[Person, Person, str]


@pytest.fixture(scope="module")
async def shared_database(mongo_url: str) -> AsyncIterator[Database]:
    """Without the half entries of other tests, which a start would stumble over."""
    async with prepared_database(mongo_url) as database:
        yield database


@pytest.fixture
async def one_node(shared_database: Database) -> AsyncIterator[OneNodeService]:
    one_node = OneNodeService(shared_database)
    yield one_node
    await one_node.store.drain()


@pytest.fixture
async def pair(one_node: OneNodeService) -> Pair:
    return await one_node.people.pair()


class LogWithoutProjections(Log):
    """The log of a node that dies before it has written what conversations show."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.appender._committed = lambda _: None
        self.appender._begin = _nothing


async def _nothing(first: Document) -> None:
    """Instead of showing the conversation."""


async def _shown(database: Database, conversation_id: str) -> Document:
    found = await database.collection(CONVERSATIONS).find_one({"_id": ObjectId(conversation_id)})
    assert found is not None
    return found


async def _shows(database: Database, last: MessageRecord, head: int) -> None:
    shown = await _shown(database, last.conversation_id)
    expected = {"head": head, "lastMessage": ObjectId(last.id), "lastSeq": last.seq, "updatedAt": last.created_at}
    assert {name: shown[name] for name in expected} == expected


async def test_another_start_mends_what_a_dead_writer_left(shared_database: Database, pair: Pair) -> None:
    client, trainer, conversation = pair
    log = LogWithoutProjections(shared_database)
    await write(log, a_message(conversation, client.id, "1"))
    last = await write(log, a_message(conversation, trainer.id, "2"))
    await apply(log, a_change(last, "reaction", emoji="👍"))
    before = await _shown(shared_database, conversation)
    assert (before["head"], before["lastMessage"]) == (0, None)
    await Store(shared_database).prepare()
    await _shows(shared_database, last, 3)


async def test_mending_leaves_alone_what_is_right(shared_database: Database, log: Log, pair: Pair) -> None:
    client, _, conversation = pair
    last = await write(log, a_message(conversation, client.id, "1"))
    await apply(log, a_change(last, "edit", text="other words"))
    await log.drain()
    before = await _shown(shared_database, conversation)
    await Store(shared_database).prepare()
    assert await _shown(shared_database, conversation) == before
    await _shows(shared_database, last, 2)


@pytest.mark.parametrize("changed", [False, True])
async def test_the_list_is_right_before_anything_is_written(
    one_node: OneNodeService, pair: Pair, changed: bool
) -> None:
    client, trainer, conversation = pair
    log = LogWithoutProjections(one_node.store.database)
    await write(log, a_message(conversation, client.id, "1"))
    last = await write(log, a_message(conversation, client.id, "2", "the last"))
    if changed:
        await apply(log, a_change(last, "edit", text="the very last"))
    (listed,) = (await one_node.device(trainer).do("conversation:list"))["items"]
    assert listed["lastMessage"]["id"] == last.id
    assert listed["lastMessage"]["text"] == ("the very last" if changed else "the last")
    assert (listed["head"], listed["unread"]) == (3 if changed else 2, 2)
    assert listed["updatedAt"] == listed["lastMessage"]["createdAt"]


async def test_the_list_is_right_when_only_a_later_change_was_written(one_node: OneNodeService, pair: Pair) -> None:
    """Two nodes: the one whose message is the last is slower to write it than the one that changed an older one."""
    client, trainer, conversation = pair
    slow, quick = LogWithoutProjections(one_node.store.database), Log(one_node.store.database)
    first = await write(quick, a_message(conversation, client.id, "1"))
    last = await write(slow, a_message(conversation, client.id, "2"))
    await apply(quick, a_change(first, "reaction", emoji="👍"))
    await quick.drain()
    (listed,) = (await one_node.device(trainer).do("conversation:list"))["items"]
    assert (listed["head"], listed["lastMessage"]["id"]) == (3, last.id)
    assert listed["updatedAt"] == listed["lastMessage"]["createdAt"]


async def test_two_writers_in_the_wrong_order_move_nothing_back(shared_database: Database, pair: Pair) -> None:
    client, trainer, conversation = pair
    early, late = LogWithoutProjections(shared_database), Log(shared_database)
    first = await write(early, a_message(conversation, client.id, "1"))
    last = await write(late, a_message(conversation, trainer.id, "2"))
    reacted = await apply(late, a_change(last, "reaction", emoji="👍"))
    await late.drain()
    early.projections.note({"conversationId": ObjectId(conversation), "seq": 1, **_noted(first)})
    await early.drain()
    await _shows(shared_database, last, reacted.seq)


async def test_one_writers_entries_are_written_together(shared_database: Database, pair: Pair) -> None:
    """A change noted after a message, or before it, takes nothing of it away."""
    client, _, conversation = pair
    log = Log(shared_database)
    first = await write(log, a_message(conversation, client.id, "1"))
    await apply(log, a_change(first, "reaction", emoji="👍"))
    last = await write(log, a_message(conversation, client.id, "2"))
    await apply(log, a_change(first, "edit", text="other words"))
    await log.drain()
    await _shows(shared_database, last, 4)


async def test_a_clock_that_is_behind_moves_no_time_back(shared_database: Database, log: Log, pair: Pair) -> None:
    """The node that writes the next message may have a clock that is behind."""
    client, trainer, conversation = pair
    first = await write(log, a_message(conversation, client.id, "1"))
    await log.drain()
    behind = now() - timedelta(seconds=5)
    record = a_message(conversation, trainer.id, "2")
    last = await write(log, msgspec.structs.replace(record, created_at=behind, updated_at=behind))
    await log.drain()
    shown = await _shown(shared_database, conversation)
    assert shown["lastMessage"] == ObjectId(last.id)
    assert shown["updatedAt"] == first.created_at


def _noted(record: MessageRecord) -> Document:
    return {"_id": ObjectId(record.id), "createdAt": record.created_at}


async def test_a_node_looks_nothing_up_for_what_it_has_begun(one_node: OneNodeService) -> None:
    client, trainer, conversation = await one_node.people.pair()
    await one_node.device(client).send(conversation, "m")
    for person in (client, trainer):
        # Answered without a suspension.
        with pytest.raises(StopIteration):
            one_node.store.conversations.membership(conversation, person.id).send(None)
