"""Reads of many conversations in one command: the same answers as from one command each, in as many as for few."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

import pytest
from bson import ObjectId

from domain.messages import MessageChange, MessageRecord, fold
from store.database import Database, Document
from store.log.documents import MESSAGES, change_document, changed_fields, message_document, message_record
from store.log.log import Log
from store.log.reader import _A_MESSAGE, _DESCENDING, Entry, LogReader, _in_each
from tests.conversations.counting import CountedDatabase
from tests.harness.databases import named
from tests.store.writing import a_change, a_message, new_id

Spans = Mapping[str, tuple[int, int]]
ME, OTHER = new_id(), new_id()


class OneByOne:
    """The reads as they were: a command for each conversation."""

    def __init__(self, database: Database) -> None:
        self._messages = database.collection(MESSAGES)
        self._read = LogReader(database)

    async def newest(self, heads: Mapping[str, int], limit: int) -> dict[str, list[MessageRecord]]:
        return {i: await self._read.before(i, head + 1, limit) for i, head in heads.items()}

    async def between(self, spans: Spans, limit: int, text_bytes: int | None) -> list[Entry]:
        past: list[Document] = []
        waiting = await self._read._waiting(spans)
        for conversation_id, (start, end) in spans.items():
            query = {"conversationId": ObjectId(conversation_id), "seq": {"$gt": start, "$lte": end}}
            async for document in self._messages.find(query).sort("seq", 1).limit(limit - len(past)):
                past.append(document)
                if text_bytes is not None:
                    text_bytes -= len((document.get("text") or "").encode())
                    if text_bytes <= 0:
                        break
            if len(past) >= limit or (text_bytes is not None and text_bytes <= 0):
                break
        return await self._read._entries(past, waiting)

    async def unread(self, spans: Spans, user_id: str, cap: int) -> dict[str, int]:
        waiting = await self._read._waiting(spans)
        deleted = [ObjectId(i) for i, changes in waiting.items() if any(c.kind == "delete" for c in changes)]
        counts = {}
        for conversation_id, (start, end) in spans.items():
            query = {
                "conversationId": ObjectId(conversation_id),
                "seq": {"$gt": start, "$lte": end},
                "senderId": {"$ne": ObjectId(user_id)},
                "change": {"$exists": False},
                "deletedAt": {"$exists": False},
                "_id": {"$nin": deleted},
            }
            counts[conversation_id] = await self._messages.count_documents(query, limit=cap)
        return counts


def conversation(rng: random.Random, length: int) -> list[Document]:
    """Messages, changes of them that were applied, and some that wait."""
    documents: dict[str, Document] = {}
    messages: list[MessageRecord] = []
    conversation_id = new_id()
    for seq in range(1, length + 1):
        if messages and rng.random() < 0.4:
            target = rng.choice(messages)
            kind = rng.choice(("edit", "delete", "reaction"))
            change = a_change(
                target,
                kind,  # type: ignore[arg-type]
                seq=seq,
                text=f"edited {seq}" if kind == "edit" else None,
                emoji=rng.choice("👍🎉") if kind == "reaction" else None,
            )
            document = change_document(change)
            if rng.random() < 0.7:
                del document["unapplied"]
                _apply(documents[target.id], change)
            documents[change.id] = document
        else:
            text = rng.choice(("", "hello", "ж" * rng.randrange(300)))
            record = a_message(conversation_id, rng.choice((ME, OTHER)), f"{seq}", text)
            messages.append(record)
            documents[record.id] = {**message_document(record), "seq": seq}
    return list(documents.values())


def _apply(document: Document, change: MessageChange) -> None:
    update = changed_fields(fold(message_record(document), change))
    document.update(update["$set"])
    for gone in update.get("$unset", ()):
        document.pop(gone, None)


@dataclass(frozen=True)
class Logs:
    """Conversations of which some are empty, and where each of them ends."""

    heads: dict[str, int]

    @classmethod
    async def written(cls, database: Database, rng: random.Random, count: int) -> Logs:
        heads: dict[str, int] = {}
        documents: list[Document] = []
        for _ in range(count):
            entries = conversation(rng, rng.choice((0, 1, 2, 7, 19, 20, 21, 45)))
            heads[str(entries[0]["conversationId"]) if entries else new_id()] = len(entries)
            documents += entries
        if documents:
            await database.collection(MESSAGES).insert_many(documents)
        return cls(heads)

    def spans(self, rng: random.Random) -> dict[str, tuple[int, int]]:
        return {i: (rng.randint(0, head), rng.randint(0, head + 1)) for i, head in self.heads.items()}


@pytest.mark.parametrize("seed", range(8))
async def test_the_same_as_conversation_by_conversation(shared_database: Database, log: Log, seed: int) -> None:
    rng = random.Random(seed)
    logs = await Logs.written(shared_database, rng, rng.choice((1, 3, 12, 40)))
    before, now = OneByOne(shared_database), log.read
    for limit in (1, 20):
        upto = {i: rng.randint(0, head) for i, head in logs.heads.items()}
        newest = await now.newest(upto, limit)
        assert newest == await before.newest(upto, limit)
        assert list(newest) == list(upto)
    for limit in (1, 10, 500):
        for text_bytes in (None, 1, 700, 600_000):
            spans = logs.spans(rng)
            assert await now.between(spans, limit, text_bytes) == await before.between(spans, limit, text_bytes)
    for cap in (1, 5, 100):
        spans = logs.spans(rng)
        assert await now.unread(spans, ME, cap) == await before.unread(spans, ME, cap)


async def test_the_newest_are_read_until_it_is_enough(shared_database: Database, log: Log) -> None:
    logs = await Logs.written(shared_database, random.Random(99), 30)
    whole = await log.read.newest(logs.heads, 20)
    told: list[int] = []

    def enough(records: object) -> bool:
        told.append(0)
        return len(told) == 4

    some = await log.read.newest(logs.heads, 20, enough)
    assert list(some.items()) == list(whole.items())[:4]


async def test_nothing_is_asked_of_nothing(log: Log) -> None:
    assert await log.read.newest({}, 20) == {}
    assert await log.read.between({}, 20) == []
    assert await log.read.unread({}, ME, 100) == {}


@pytest.fixture
async def counted(mongo_url: str, shared_database: Database) -> AsyncIterator[CountedDatabase]:
    database = CountedDatabase(named(mongo_url, shared_database.db.name))
    yield database
    database.close()


async def test_as_many_commands_for_many_conversations_as_for_few(
    shared_database: Database, counted: CountedDatabase
) -> None:
    rng = random.Random(7)
    read, commands = LogReader(counted), counted.counter.commands
    few, many = await Logs.written(shared_database, rng, 3), await Logs.written(shared_database, rng, 300)

    async def cost(logs: Logs) -> list[int]:
        costs = []
        for reading in (
            read.newest(logs.heads, 1),
            read.between({i: (0, head) for i, head in logs.heads.items()}, 100),
            read.unread({i: (0, head) for i, head in logs.heads.items()}, ME, 100),
        ):
            begun = len(commands)
            await reading
            costs.append(len(commands) - begun)
        return costs

    # Of rows beyond a batch the driver asks for more, in batches that grow.
    assert all(m <= f + 4 for f, m in zip(await cost(few), await cost(many), strict=True))


async def test_no_more_of_a_long_conversation_is_read_than_asked_for(shared_database: Database) -> None:
    """Each conversation's part goes through the sequencer's index from where it begins."""
    logs = await Logs.written(shared_database, random.Random(5), 1)
    long = new_id()
    documents = [{**message_document(a_message(long, ME, f"{seq}")), "seq": seq} for seq in range(1, 3001)]
    await shared_database.collection(MESSAGES).insert_many(documents)
    spans = {i: (0, head) for i, head in (logs.heads | {long: 2000}).items()}
    pipeline = _in_each(spans, _A_MESSAGE, [{"$sort": _DESCENDING}, {"$limit": 20}])
    command = {"aggregate": 1, "pipeline": pipeline, "cursor": {}}
    plan = await shared_database.db.command({"explain": command, "verbosity": "executionStats"})
    (look_up,) = (one_node for one_node in plan["stages"] if "$lookup" in one_node)
    assert look_up["indexesUsed"] == ["sequencer"]
    assert int(look_up["totalDocsExamined"]) <= 20 + max(logs.heads.values())
