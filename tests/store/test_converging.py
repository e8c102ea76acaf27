"""Changes of one message by several writers: whatever their interleaving, the message ends up the same."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from itertools import permutations
from random import Random

import msgspec
import pytest
from bson import ObjectId

from domain.messages import Change, Message, MessageRecord, fold, to_message
from store.database import Database
from store.log.documents import MESSAGES, change_document, message_document, message_record
from store.log.log import Log
from tests.store.writing import a_change, a_message, apply, entries, new_id, numbers, upto, write

EMOJIS = ("👍", "🎉", "💪")


def _some_changes(message: MessageRecord, other: str, *, deletion: bool) -> list[Change]:
    """As numbered by the log."""
    second, third, fourth, fifth = (message.created_at + timedelta(seconds=n) for n in range(1, 5))
    last = a_change(message, "reaction", seq=5, by=other, emoji="👍", remove=True, at=fifth)
    if deletion:
        last = a_change(message, "delete", seq=5, at=fifth)
    return [
        a_change(message, "edit", seq=2, text="second", at=second),
        a_change(message, "reaction", seq=3, by=other, emoji="👍", at=third),
        a_change(message, "edit", seq=4, text="third", at=fourth),
        last,
    ]


async def _outcomes(database: Database, *, deletion: bool) -> list[Message]:
    """What becomes of the message when its changes are applied in each order, each order on a message of its own."""
    log, outcomes = Log(database), []
    model, other = a_message(new_id(), new_id(), None, "first"), new_id()
    for seq, order in enumerate(permutations(range(4)), 100):
        message = msgspec.structs.replace(model, id=new_id())
        documents = [change_document(change) for change in _some_changes(message, other, deletion=deletion)]
        await database.collection(MESSAGES).insert_one(message_document(message) | {"seq": seq})
        for place in order:
            await log.changes.settle(documents[place])
        stored = await database.collection(MESSAGES).find_one({"_id": ObjectId(message.id)})
        assert stored is not None
        record = msgspec.structs.replace(message_record(stored), id=model.id, seq=1)
        outcomes.append(to_message(record, seen=False))
    return outcomes


async def test_edits_and_reactions_in_any_order(shared_database: Database) -> None:
    first, *others = await _outcomes(shared_database, deletion=False)
    assert (first.text, first.reactions, first.deleted_at) == ("third", (), None)
    assert all(told == first for told in others)


async def test_a_deletion_among_them_in_any_order(shared_database: Database) -> None:
    for told in await _outcomes(shared_database, deletion=True):
        assert (told.text, told.reactions) == (None, ())
        assert told.deleted_at is not None


@pytest.mark.parametrize("seed", range(3))
async def test_writers_at_once(shared_database: Database, seed: int) -> None:
    """What is stored is what a reader gets who folds the log's changes by their numbers."""
    chance, logs = Random(seed), [Log(shared_database) for _ in range(3)]
    conversation, author, other = new_id(), new_id(), new_id()
    message = await write(logs[0], a_message(conversation, author, "m", "first"))
    at = message.created_at

    def some_change(number: int) -> Change:
        if chance.random() < 0.4:
            return a_change(message, "edit", text=f"edit {number}", at=at)
        by, emoji = chance.choice((author, other)), chance.choice(EMOJIS)
        return a_change(message, "reaction", by=by, emoji=emoji, remove=chance.random() < 0.4, at=at)

    changes = [some_change(number) for number in range(40)]
    applied = await asyncio.gather(*(apply(chance.choice(logs), change) for change in changes))
    assert await numbers(shared_database, conversation) == upto(41)
    expected, by_id = message, {change.id: change for change in changes}
    stored, *rest = await entries(shared_database, conversation)
    for document in rest:
        assert "unapplied" not in document
        expected = fold(expected, msgspec.structs.replace(by_id[str(document["_id"])], seq=document["seq"]))
    assert to_message(message_record(stored), seen=False) == to_message(expected, seen=False)
    assert sorted(each.seq for each in applied) == upto(41)[1:]


async def test_deletions_at_once(shared_database: Database) -> None:
    """Nothing of the message comes back, whoever was last."""
    logs = [Log(shared_database) for _ in range(3)]
    conversation, author = new_id(), new_id()
    for number in range(6):
        message = await write(logs[0], a_message(conversation, author, str(number), "first"))
        changes = [a_change(message, "delete"), a_change(message, "delete")]
        changes += [a_change(message, "reaction", by=new_id(), emoji=emoji) for emoji in EMOJIS]
        changes += [a_change(message, "edit", text=f"edit {n}") for n in range(3)]
        Random(number).shuffle(changes)
        await asyncio.gather(*(apply(logs[n % 3], change) for n, change in enumerate(changes)))
    found = await entries(shared_database, conversation)
    assert [entry["seq"] for entry in found] == upto(6 * 9)
    messages = [entry for entry in found if "change" not in entry]
    assert all(entry["deletedAt"] and entry["text"] is None and "reactions" not in entry for entry in messages)
    assert not any(entry.get("text") for entry in found)
