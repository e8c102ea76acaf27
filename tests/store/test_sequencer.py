"""The two unique indexes that the log rests on, and which of them is reported first."""

from __future__ import annotations

from typing import Any

import pytest
from bson import ObjectId

from store.database import Database, prepare
from store.log.documents import MESSAGES, SCHEMA, change_document, message_document
from tests.store.writing import a_change, a_message, new_id


async def _insert(database: Database, *documents: dict[str, Any]) -> dict[int, dict[str, Any]]:
    """Insert as the appender does; answers what was refused, by position."""
    reply = await database.db.command({"insert": MESSAGES, "documents": list(documents), "ordered": False})
    return {error["index"]: error["keyPattern"] for error in reply.get("writeErrors", ())}


def _document(conversation_id: str, sender_id: str, key: str, seq: int) -> dict[str, Any]:
    return message_document(a_message(conversation_id, sender_id, key)) | {"seq": seq}


async def test_a_repeat_that_is_also_a_lost_race_is_reported_as_a_repeat(shared_database: Database) -> None:
    conversation, sender = new_id(), new_id()
    refused = await _insert(
        shared_database,
        _document(conversation, sender, "a", 1),
        _document(conversation, sender, "a", 1),
        _document(conversation, sender, "a", 2),
        _document(conversation, sender, "b", 1),
        _document(conversation, sender, "b", 2),
    )
    repeat = {"conversationId": 1, "senderId": 1, "clientMessageId": 1}
    assert refused == {1: repeat, 2: repeat, 3: {"conversationId": 1, "seq": 1}}


async def test_a_repeat_under_its_own_id_is_reported_as_such(shared_database: Database) -> None:
    document = _document(new_id(), new_id(), "a", 1)
    assert await _insert(shared_database, document, document) == {1: {"_id": 1}}


async def test_the_order_survives_another_start(database: Database) -> None:
    for _ in range(2):
        await prepare(database, [SCHEMA])
    names = list(await database.collection(MESSAGES).index_information())
    assert names == ["_id_", "repeat", "command", "sequencer", "unapplied", "target", "saying", "due", "work"]


@pytest.mark.parametrize("key", ["a", "b" * 64, " ~"])
async def test_a_key_belongs_to_its_sender_and_conversation(shared_database: Database, key: str) -> None:
    conversation, other, sender = new_id(), new_id(), new_id()
    assert not await _insert(
        shared_database,
        _document(conversation, sender, key, 1),
        _document(conversation, new_id(), key, 2),
        _document(other, sender, key, 1),
    )


async def test_entries_without_a_key_do_not_collide(shared_database: Database) -> None:
    message = a_message(new_id(), new_id(), None)
    changes = [change_document(a_change(message, "delete", seq=seq)) for seq in (2, 3)]
    assert not await _insert(shared_database, message_document(message) | {"seq": 1}, *changes)
    assert ObjectId(message.id) == changes[0]["target"]
