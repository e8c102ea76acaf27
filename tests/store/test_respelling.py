"""What earlier versions wrote gets its spelling by durable work, a batch at a time."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

import pytest
from bson import ObjectId

from domain.text import words
from handlers.messages.search import respelling_job
from store import respelling as batches
from store.database import Database
from store.listings import NAME as LISTINGS
from store.log.documents import MESSAGES
from tests.conversations.services import OneNodeService
from tests.harness.work import work_off
from tests.store.writing import a_message, new_id, write


async def _work_off(database: Database) -> None:
    """From the start, as if it had never been done; time passes whenever somebody looks at the clock."""
    ticks = itertools.count()
    node = OneNodeService(
        database, clock=lambda: datetime(2126, 1, 1, tzinfo=UTC) + next(ticks) * timedelta(seconds=1)
    )
    await database.collection(batches.NAME).delete_many({})
    await node.store.respelling.begin()
    await work_off(respelling_job(node.context), node.context.clock)


@pytest.mark.parametrize("at_once", [1, 500])
async def test_messages(shared_database: Database, monkeypatch: pytest.MonkeyPatch, at_once: int) -> None:
    node, collection = OneNodeService(shared_database), shared_database.collection(MESSAGES)
    await collection.delete_many({})
    monkeypatch.setattr(batches, "MESSAGES_AT_ONCE", at_once)
    conversation, sender = new_id(), new_id()
    texts = ["Café", "Crème", "Thé", "Lait", "Eau"]
    records = [await write(node.store.log, a_message(conversation, sender, text, text)) for text in texts]
    keys = [ObjectId(record.id) for record in records]
    # Without one; edited, or deleted, by a node that knows of none; of an older folding; right.
    await collection.update_one({"_id": keys[0]}, {"$unset": {"spelling": ""}})
    await collection.update_one({"_id": keys[1]}, {"$set": {"text": "Crêpe", "editSeq": 9}})
    await collection.update_one({"_id": keys[2]}, {"$set": {"text": None}})
    await collection.update_one({"_id": keys[3]}, {"$set": {"spelling": "LAIT"}})
    await _work_off(shared_database)
    stored = [await collection.find_one({"_id": key}) or {} for key in keys]
    assert [one.get("spelling") for one in stored] == ["cafe", "crepe", None, "lait", "eau"]
    assert [one.get("spellingSeq", 0) for one in stored] == [0, 9, 0, 0, 0]
    rows = await shared_database.collection(batches.NAME).find().to_list(None)
    assert [row["_id"] for row in rows if "dueAt" not in row] == ["messages 1", "listings 1"]
    # Another start begins nothing.
    await node.store.respelling.begin()
    assert await shared_database.collection(batches.NAME).count_documents({"dueAt": {"$exists": True}}) == 0
    await node.settled()


async def test_listings(shared_database: Database) -> None:
    node, collection = OneNodeService(shared_database), shared_database.collection(LISTINGS)
    trainer = await node.people.make("trainer", name="กิน Ｙｏｇａ")
    user = await node.store.users.by_id(trainer.id)
    assert user is not None
    key = {"_id": ObjectId(user.profile_id)}
    await collection.update_one(key, {"$set": {"terms": ["*", "word:กน"]}}, upsert=True)
    await _work_off(shared_database)
    found = await collection.find_one(key) or {}
    assert {f"word:{word}" for word in words("กิน yoga")} <= set(found["terms"])
    assert "word:กน" not in found["terms"]
