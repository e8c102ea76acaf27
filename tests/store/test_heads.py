"""The head of a conversation is found without reading the conversation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from bson import ObjectId

from store.database import Database
from store.log.documents import MESSAGES
from store.log.heads import Heads, pipeline
from tests.store.writing import new_id

ENTRIES = 2000


async def _fill(database: Database, conversation_id: str, entries: int) -> None:
    conversation = ObjectId(conversation_id)
    await database.collection(MESSAGES).insert_many(
        [{"conversationId": conversation, "senderId": conversation, "seq": seq} for seq in range(1, entries + 1)]
    )


@pytest.mark.parametrize("conversations", [1, 3])
async def test_the_plan_skips_from_head_to_head(shared_database: Database, conversations: int) -> None:
    ids = [new_id() for _ in range(conversations)]
    for conversation_id in ids:
        await _fill(shared_database, conversation_id, ENTRIES)
    explained = await shared_database.db.command(
        {
            "explain": {"aggregate": MESSAGES, "pipeline": pipeline(map(ObjectId, ids)), "cursor": {}},
            "verbosity": "executionStats",
        }
    )
    stages = [stage for stage in _stages(explained) if "stage" in stage]
    skips = [stage for stage in stages if stage["stage"] == "DISTINCT_SCAN"]
    assert not {"SORT", "FETCH", "COLLSCAN"} & {stage["stage"] for stage in stages}
    scanned = [skip["keysExamined"] for skip in skips if "keysExamined" in skip]
    assert scanned
    assert max(scanned) <= 3 * conversations


async def test_heads_of_several_conversations(shared_database: Database) -> None:
    one, other, empty = new_id(), new_id(), new_id()
    await _fill(shared_database, one, 3)
    await _fill(shared_database, other, 5)
    heads = await Heads(shared_database).of(map(ObjectId, (one, other, empty)))
    assert heads == {ObjectId(one): 3, ObjectId(other): 5}


def _stages(node: Any) -> Iterator[dict[str, Any]]:
    """Every sub-document of an explanation."""
    if isinstance(node, dict):
        yield node
        for value in node.values():
            yield from _stages(value)
    elif isinstance(node, list):
        for value in node:
            yield from _stages(value)
