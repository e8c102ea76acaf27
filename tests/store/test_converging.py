"""Changes of one message by several writers: whatever their interleaving, the message ends up the same."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from itertools import permutations
from random import Random

import msgspec
import pytest

from domain.messages import MessageChange, MessageRecord, fold, to_message
from store.database import Database
from store.log.documents import MESSAGES, change_document, message_document, message_record
from store.log.log import Log
from tests.store.writing import a_change, a_message, apply, entries, new_id, numbers, upto, write

EMOJIS = ("👍", "🎉", "💪")


def _some_changes(message: MessageRecord, other: str, *, deletion: bool) -> list[MessageChange]:
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


@pytest.mark.parametrize("deletion", [False, True])
async def test_in_whatever_order_they_are_applied(shared_database: Database, deletion: bool) -> None:
    """The outcome is always that of the log's own order."""
    log, messages = Log(shared_database), shared_database.collection(MESSAGES)
    model, other = a_message(new_id(), new_id(), "m", "first"), new_id()
    expected = to_message(_in_order(model, _some_changes(model, other, deletion=deletion)), seen=False)
    for order in permutations(range(4)):
        message = msgspec.structs.replace(model, id=new_id(), conversation_id=new_id())
        documents = [change_document(change) for change in _some_changes(message, other, deletion=deletion)]
        await messages.insert_many([message_document(message) | {"seq": 1}, *documents])
        for place in order:
            await log.changes.apply(documents[place])
        stored, *changes = await entries(shared_database, message.conversation_id)
        record = msgspec.structs.replace(
            message_record(stored), id=model.id, conversation_id=model.conversation_id, seq=model.seq
        )
        assert to_message(record, seen=False) == expected, order
        assert not any("unapplied" in change for change in changes)


def _in_order(message: MessageRecord, changes: list[MessageChange]) -> MessageRecord:
    for change in changes:
        message = fold(message, change)
    return message


@pytest.mark.parametrize("seed", range(4))
async def test_writers_at_once(shared_database: Database, seed: int) -> None:
    """What is stored is what a reader gets who folds the log's changes by their numbers."""
    chance, logs = Random(seed), [Log(shared_database) for _ in range(3)]
    conversation, author, other = new_id(), new_id(), new_id()
    message = await write(logs[0], a_message(conversation, author, "m", "first"))

    def at() -> datetime:
        """Clocks of nodes differ."""
        return message.created_at + timedelta(milliseconds=chance.randint(-50, 50))

    def some_change(number: int) -> MessageChange:
        if chance.random() < 0.05:
            return a_change(message, "delete", at=at())
        if chance.random() < 0.4:
            return a_change(message, "edit", text=f"edit {number}", at=at())
        by, emoji = chance.choice((author, other)), chance.choice(EMOJIS)
        return a_change(message, "reaction", by=by, emoji=emoji, remove=chance.random() < 0.4, at=at())

    changes = [some_change(number) for number in range(40)]
    applied = await asyncio.gather(*(apply(chance.choice(logs), change) for change in changes))
    assert await numbers(shared_database, conversation) == upto(41)
    by_id = {change.id: change for change in changes}
    stored, *rest = await entries(shared_database, conversation)
    assert not any("unapplied" in document for document in rest)
    numbered = [msgspec.structs.replace(by_id[str(entry["_id"])], seq=entry["seq"]) for entry in rest]
    expected = _in_order(message, numbered)
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
