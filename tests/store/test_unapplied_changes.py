"""A change whose writer died between storing and applying it: every reader folds it in, any node applies it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest
from bson import ObjectId

from domain.errors import unavailable
from domain.messages import ChangeKind, MessageChange, MessageRecord
from handlers.context import ReadContext
from handlers.jobs import Job
from handlers.messages import views
from handlers.messages.recovery import unapplied_changes_job
from store.database import Database, Document
from store.log.documents import ABANDONED_AFTER, MESSAGES
from store.log.log import AppendedChange, Log
from store.work_queue import WorkRow
from tests.conversations.services import Caller, OneNodeService
from tests.harness.devices import Data, Refused
from tests.harness.people import Person
from tests.harness.work import work_off
from tests.store.writing import a_change, a_message, abandon, apply, entries, now, write

LONG_AGO = ABANDONED_AFTER + timedelta(seconds=1)


async def redriven_by(log: Log, at: datetime) -> list[tuple[MessageChange, AppendedChange]]:
    """What is abandoned at that time, applied without telling anybody."""
    redriven: list[tuple[MessageChange, AppendedChange]] = []

    async def apply_one(row: WorkRow) -> None:
        redriven.append(await log.redrive(row))
        await log.settle(row)

    await work_off(Job("changes", log.changes.queue, apply_one), lambda: at)
    return redriven


@dataclass
class AbandonedChanges:
    """The client's message is entry 1; what is abandoned follows."""

    one_node: OneNodeService
    client: Person
    trainer: Person
    conversation: str
    message: MessageRecord
    head: int = 1

    @property
    def database(self) -> Database:
        return self.one_node.store.database

    def device(self, person: Person) -> Caller:
        return self.one_node.device(person)

    async def abandoned(
        self, kind: ChangeKind, *, ago: timedelta = LONG_AGO, text: str | None = None, emoji: str | None = None
    ) -> Document:
        self.head += 1
        by = self.trainer.id if kind == "reaction" else None
        change = a_change(self.message, kind, seq=self.head, by=by, text=text, emoji=emoji, at=now() - ago)
        return await abandon(self.database, change)

    async def stored(self) -> list[Data]:
        return await entries(self.database, self.conversation)


@pytest.fixture
async def abandoned(shared_database: Database) -> AsyncIterator[AbandonedChanges]:
    one_node = OneNodeService(shared_database)
    client, trainer, conversation = await one_node.people.pair()
    message = await write(one_node.store.log, a_message(conversation, client.id, "m", "first words"))
    yield AbandonedChanges(one_node, client, trainer, conversation, message)
    await redriven_by(one_node.store.log, now() + LONG_AGO)
    await one_node.store.drain()


async def _readings(abandoned: AbandonedChanges) -> list[Data]:
    """The message as each way of reading tells it."""
    device, named = abandoned.device(abandoned.trainer), {"conversationId": abandoned.conversation}
    (listed,) = (await device.do("message:list", named))["messages"]
    (conversation,) = (await device.do("conversation:list"))["items"]
    (start,) = (await device.do("sync", {"cursors": {}}))["conversations"]
    (synced,) = (await device.do("sync", {"cursors": {abandoned.conversation: 0}}))["conversations"]
    assert [entry["seq"] for entry in synced["entries"]] == [*range(1, abandoned.head + 1)]
    told = [listed, conversation["lastMessage"], *(entry["message"] for entry in start["entries"] + synced["entries"])]
    told.append(await abandoned.device(abandoned.client).send(abandoned.conversation, "m", "first words"))
    return told


async def test_every_reading_folds_an_edit_in(abandoned: AbandonedChanges) -> None:
    await abandoned.abandoned("edit", text="second words")
    await abandoned.abandoned("edit", text="third words")
    assert [message["text"] for message in await _readings(abandoned)] == ["third words"] * 7


async def test_every_reading_folds_a_reaction_in(abandoned: AbandonedChanges) -> None:
    await abandoned.abandoned("reaction", emoji="👍")
    expected = [{"emoji": "👍", "userIds": [abandoned.trainer.id]}]
    assert all(message["reactions"] == expected for message in await _readings(abandoned))


async def test_every_reading_folds_a_deletion_in(abandoned: AbandonedChanges) -> None:
    await abandoned.abandoned("edit", text="second words")
    await abandoned.abandoned("delete")
    for message in await _readings(abandoned):
        assert message["text"] is None
        assert message["deletedAt"] is not None
    device = abandoned.device(abandoned.trainer)
    for words in ("first", "second"):
        assert (await device.do("message:search", {"query": words}))["items"] == []


async def test_a_deletion_is_not_counted_as_unread(abandoned: AbandonedChanges) -> None:
    await write(abandoned.one_node.store.log, a_message(abandoned.conversation, abandoned.client.id, "other"))
    abandoned.head += 1
    await abandoned.abandoned("delete")
    (conversation,) = (await abandoned.device(abandoned.trainer).do("conversation:list"))["items"]
    assert conversation["unread"] == 1


async def test_decisions_know_a_deletion(abandoned: AbandonedChanges) -> None:
    await abandoned.abandoned("delete")
    named = {"messageId": abandoned.message.id}
    with pytest.raises(Refused, match="conflict"):
        await abandoned.device(abandoned.client).do("message:edit", {**named, "text": "again"})
    with pytest.raises(Refused, match="conflict"):
        await abandoned.device(abandoned.trainer).do("message:react", {**named, "emoji": "👍"})
    again = (await abandoned.device(abandoned.client).do("message:delete", named))["message"]
    assert again["deletedAt"] is not None
    assert len(await abandoned.stored()) == abandoned.head


async def test_decisions_know_an_edit(abandoned: AbandonedChanges) -> None:
    await abandoned.abandoned("edit", text="second words")
    device, named = abandoned.device(abandoned.client), {"messageId": abandoned.message.id}
    await device.do("message:edit", {**named, "text": "second words"})
    assert len(await abandoned.stored()) == abandoned.head
    await device.do("message:edit", {**named, "text": "first words"})
    assert len(await abandoned.stored()) == abandoned.head + 1
    assert await redriven_by(abandoned.one_node.store.log, now()) != []
    abandoned.head += 1
    assert [message["text"] for message in await _readings(abandoned)] == ["first words"] * 7


async def test_only_what_is_old_enough_is_applied(abandoned: AbandonedChanges) -> None:
    await abandoned.abandoned("edit", text="second words")
    await abandoned.abandoned("reaction", emoji="👍", ago=ABANDONED_AFTER - timedelta(seconds=10))
    redriven = await redriven_by(abandoned.one_node.store.log, now())
    mine = [(change.kind, applied) for change, applied in redriven if change.target == abandoned.message.id]
    assert [(kind, applied.seq, applied.target.text) for kind, applied in mine] == [("edit", 2, "second words")]
    message, edit, reaction = await abandoned.stored()
    assert (message["text"], message["editSeq"]) == ("second words", 2)
    assert "unapplied" not in edit
    assert reaction["unapplied"] is True
    assert "reactions" not in message


async def test_what_was_applied_is_announced_to_both(abandoned: AbandonedChanges) -> None:
    stranger = await abandoned.one_node.people.make("trainer")
    await abandoned.abandoned("edit", text="second words")
    await abandoned.abandoned("reaction", emoji="👍")
    await work_off(unapplied_changes_job(abandoned.one_node.context), now)
    told = [
        await abandoned.device(person).received("message:updated")
        for person in (abandoned.client, abandoned.trainer, stranger)
    ]
    assert told[0] == told[1]
    assert told[2] == []
    assert [(event["seq"], event["change"]) for event in told[0]] == [(2, "edit"), (3, "reaction")]
    assert told[0][-1]["message"] == (await _readings(abandoned))[0]
    await work_off(unapplied_changes_job(abandoned.one_node.context), now)
    assert len(await abandoned.device(abandoned.client).received("message:updated")) == 2


async def test_what_could_not_be_announced_is_announced_later(
    abandoned: AbandonedChanges, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever of it was done before."""
    await abandoned.abandoned("edit", text="second words")
    seen_messages, fails = views.seen_messages, [unavailable()]

    async def failing(context: ReadContext, records: Sequence[MessageRecord]) -> Any:
        if fails:
            raise fails.pop()
        return await seen_messages(context, records)

    monkeypatch.setattr(views, "seen_messages", failing)
    job, device = unapplied_changes_job(abandoned.one_node.context), abandoned.device(abandoned.client)
    await work_off(job, now)
    assert await device.received("message:updated") == []
    await work_off(job, lambda: now() + timedelta(minutes=1))
    assert [event["seq"] for event in await device.received("message:updated")] == [2]
    await work_off(job, lambda: now() + timedelta(hours=1))
    assert len(await device.received("message:updated")) == 1


async def test_two_nodes_may_apply_it_at_once(abandoned: AbandonedChanges) -> None:
    await abandoned.abandoned("edit", text="second words")
    await abandoned.abandoned("reaction", emoji="👍")
    await asyncio.gather(*(redriven_by(Log(abandoned.database), now()) for _ in range(4)))
    stored = await abandoned.stored()
    assert not any("unapplied" in document for document in stored)
    assert stored[0]["text"] == "second words"
    assert [mark["emoji"] for mark in stored[0]["reactions"]] == ["👍"]


async def test_the_half_done_is_done_again(abandoned: AbandonedChanges) -> None:
    """The writer died after it had changed the message, and before it took the mark away."""
    document = await abandoned.abandoned("edit", text="second words")
    await Log(abandoned.database).changes.apply(document)
    mark = {"unapplied": True, "dueAt": document["dueAt"]}
    await abandoned.database.collection(MESSAGES).update_one({"_id": document["_id"]}, {"$set": mark})
    before = (await abandoned.stored())[0]
    await redriven_by(abandoned.one_node.store.log, now())
    after = await abandoned.stored()
    assert after[0] == before
    assert "unapplied" not in after[1]


async def test_what_nodes_of_an_earlier_version_left_is_applied(abandoned: AbandonedChanges) -> None:
    """They give their changes no instant."""
    document = await abandoned.abandoned("edit", text="second words")
    await abandoned.database.collection(MESSAGES).update_one({"_id": document["_id"]}, {"$unset": {"dueAt": ""}})
    log = abandoned.one_node.store.log
    assert await redriven_by(log, now()) == []
    await log.changes.queue.date_undated()
    assert [(change.kind, applied.seq) for change, applied in await redriven_by(log, now())] == [("edit", 2)]


async def test_one_that_cannot_be_applied_keeps_no_other_from_it(abandoned: AbandonedChanges) -> None:
    """Its message is not there: it is tried again, in its own time."""
    messages = abandoned.database.collection(MESSAGES)
    orphan = await abandoned.abandoned("edit", text="to nothing", ago=2 * LONG_AGO)
    await messages.update_one({"_id": orphan["_id"]}, {"$set": {"target": ObjectId()}})
    await abandoned.abandoned("edit", text="second words")
    try:
        device = abandoned.device(abandoned.client)
        await work_off(unapplied_changes_job(abandoned.one_node.context), now)
        assert [(event["seq"], event["change"]) for event in await device.received("message:updated")] == [(3, "edit")]
        found = await messages.find_one({"_id": orphan["_id"]})
        assert found is not None
        assert (found["work"]["attempts"], found["work"]["error"]) == (1, "AssertionError")
        assert found["dueAt"] > now()
    finally:
        await messages.delete_one({"_id": orphan["_id"]})


async def _words(abandoned: AbandonedChanges) -> set[str]:
    return {document["text"] for document in await abandoned.stored() if document.get("text")}


async def test_deleted_words_survive_nowhere(abandoned: AbandonedChanges) -> None:
    log = abandoned.one_node.store.log
    for number in range(3):
        await apply(log, a_change(abandoned.message, "edit", text=f"words {number}"))
    assert await _words(abandoned) == {"words 0", "words 1", "words 2"}
    await apply(log, a_change(abandoned.message, "delete"))
    assert await _words(abandoned) == set()
    raw = str(await abandoned.stored())
    assert "words" not in raw


@pytest.mark.parametrize("order", [("edit", "delete"), ("delete", "edit")])
async def test_abandoned_words_do_not_survive(abandoned: AbandonedChanges, order: tuple[ChangeKind, ...]) -> None:
    for kind in order:
        await abandoned.abandoned(kind, text="late words")
    await redriven_by(abandoned.one_node.store.log, now())
    assert await _words(abandoned) == set()


async def test_words_of_edits_that_race_the_deletion_do_not_survive(abandoned: AbandonedChanges) -> None:
    """Each edit was decided on before the deletion; other nodes write them."""
    for number in range(8):
        logs = [Log(abandoned.database) for _ in range(3)]
        message = await write(
            logs[0], a_message(abandoned.conversation, abandoned.client.id, f"race {number}", "raced words")
        )
        racing = [apply(log, a_change(message, "edit", text="raced words")) for log in logs for _ in range(2)]
        racing.insert(number % 6, apply(logs[number % 3], a_change(message, "delete")))
        applied = await asyncio.gather(*racing)
        assert any(each.target.deleted_at is not None for each in applied)
        found = await abandoned.database.collection(MESSAGES).find_one({"_id": ObjectId(message.id)})
        assert found is not None
        assert found["deletedAt"] is not None
    assert await _words(abandoned) == {"first words"}
