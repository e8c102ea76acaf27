"""What goes wrong with one append stays with that one."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest
from bson import ObjectId

import store.log.appender
from domain.errors import Code, DomainError
from domain.messages import MessageRecord
from store.command_budget import Budget, within
from store.database import Database, Document
from store.log.appender import MAX_IN_FLIGHT, Appender
from store.log.documents import message_document
from store.log.heads import Heads
from store.log.log import Log
from tests.store.writing import Sent, a_change, a_message, apply, entries, keys, new_id, numbers, send, upto, write


async def test_an_announcement_that_fails_does_not_stop_what_follows(shared_database: Database, log: Log) -> None:
    conversation, sender = new_id(), new_id()

    def failing_announce(_: MessageRecord) -> None:
        raise LookupError("nobody there")

    failing = log.append_message(a_message(conversation, sender, "1"), failing_announce)
    following = send(log, a_message(conversation, sender, "2"))
    with pytest.raises(LookupError):
        await failing
    assert (await following).record.seq == 2
    assert await numbers(shared_database, conversation) == [1, 2]


async def test_a_submitter_that_leaves_takes_nothing_along(shared_database: Database, log: Log) -> None:
    conversation, sender = new_id(), new_id()
    announced: list[int] = []

    async def one(key: str) -> None:
        await log.append_message(a_message(conversation, sender, key), lambda stored: announced.append(stored.seq))

    sending = [asyncio.ensure_future(one(str(number))) for number in range(6)]
    await asyncio.sleep(0)
    for leaving in sending[::2]:
        leaving.cancel()
    await asyncio.gather(*sending, return_exceptions=True)
    await log.drain()
    stored = await entries(shared_database, conversation)
    assert keys(stored) == [str(number) for number in range(6)]
    assert announced == upto(6)


async def test_what_cannot_be_stored_is_refused_alone(shared_database: Database, log: Log) -> None:
    """It goes in one batch with entries of other conversations, and before one of its own."""
    conversations, sender = [new_id() for _ in range(5)], new_id()
    spoilt = msgspec.structs.replace(a_message(conversations[2], sender, "spoilt"), text="\ud800")
    sending = [send(log, spoilt)]
    sending += [send(log, a_message(conversation, sender, "fine")) for conversation in conversations]
    refused, *answers = await asyncio.gather(*sending, return_exceptions=True)
    assert isinstance(refused, ValueError)
    for conversation in conversations:
        assert keys(await entries(shared_database, conversation)) == ["fine"]
    assert not any(isinstance(answer, BaseException) for answer in answers)


async def test_entries_that_are_written_alone_are_two_at_a_time(
    shared_database: Database, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many as batches: one entry that cannot be stored does not bring a flood upon MongoDB, nor hold up others'."""
    insert, at_once, most, conversation, sender = Appender._insert, 0, 0, new_id(), new_id()
    # Of this one the head is known.
    await write(log, a_message(conversation, sender, "first"))
    following = a_message(conversation, sender, "following")
    written: list[list[str]] = []
    answers: list[asyncio.Task[Sent]] = []

    async def counted(appender: Appender, documents: list[Document]) -> Document:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        written.append([document["clientMessageId"] for document in documents])
        if len(written) == 2:
            answers.append(asyncio.create_task(send(log, following)))
        try:
            return await insert(appender, documents)
        finally:
            at_once -= 1

    monkeypatch.setattr(Appender, "_insert", counted)
    spoilt = msgspec.structs.replace(a_message(new_id(), sender, "spoilt"), text="\ud800")
    sending = [send(log, spoilt), *(send(log, a_message(new_id(), sender, "fine")) for _ in range(20))]
    refused, *stored = await asyncio.gather(*sending, return_exceptions=True)
    assert isinstance(refused, Exception)
    assert [one.record.seq for one in stored if not isinstance(one, BaseException)] == [1] * 20
    assert most == MAX_IN_FLIGHT
    assert (await answers[0]).record.seq == 2
    # After the batch that was refused, and two that were in flight then.
    assert written.index(["following"]) <= 3


async def test_a_head_whose_reading_fails_in_an_unknown_way_is_read_again(
    shared_database: Database, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody else would: the conversation would take nothing any more."""
    of, fails = Heads.of, [RuntimeError("unforeseen")]

    async def failing(heads: Heads, *arguments: Any) -> dict[ObjectId, int]:
        if fails:
            raise fails.pop()
        return await of(heads, *arguments)

    monkeypatch.setattr(Heads, "of", failing)
    assert (await write(log, a_message(new_id(), new_id(), "1"))).seq == 1
    assert not fails


async def test_more_than_can_wait_is_refused_at_once(
    shared_database: Database, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store.log.appender, "MAX_WAITING", 4)
    conversation, sender = new_id(), new_id()
    sending = [send(log, a_message(conversation, sender, str(number))) for number in range(9)]
    answers = await asyncio.gather(*sending, return_exceptions=True)
    refused = [answer for answer in answers if isinstance(answer, DomainError)]
    assert {error.code for error in refused} == {Code.UNAVAILABLE}
    assert len(refused) == 5
    assert await numbers(shared_database, conversation) == upto(4)
    assert log.appender.waiting == 0
    assert (await send(log, a_message(conversation, sender, "8"))).fresh


async def test_draining_waits_for_all_that_was_submitted(shared_database: Database) -> None:
    log, sender = Log(shared_database), new_id()
    conversations = [new_id() for _ in range(5)]
    sending = [
        asyncio.ensure_future(send(log, a_message(conversation, sender, str(number))))
        for conversation in conversations
        for number in range(10)
    ]
    await asyncio.sleep(0)
    await log.drain()
    assert log.appender.waiting == 0
    for conversation in conversations:
        assert await numbers(shared_database, conversation) == upto(10)
    await asyncio.gather(*sending)
    await Log(shared_database).drain()


@pytest.mark.parametrize("kept", [1, 3])
async def test_heads_that_are_forgotten_are_learned_again(
    shared_database: Database, monkeypatch: pytest.MonkeyPatch, kept: int
) -> None:
    monkeypatch.setattr("store.log.appender.MAX_KNOWN_HEADS", kept)
    log, sender = Log(shared_database), new_id()
    conversations = [new_id() for _ in range(5)]
    for number in range(3):
        for conversation in conversations:
            assert (await send(log, a_message(conversation, sender, str(number)))).record.seq == number + 1
    assert [log.known_head(conversation) for conversation in conversations].count(3) == kept


async def test_a_head_is_known_to_the_log_that_wrote_it(shared_database: Database, log: Log) -> None:
    conversation, sender = new_id(), new_id()
    assert log.known_head(conversation) == 0
    message = await write(log, a_message(conversation, sender, "1"))
    assert log.known_head(conversation) == 1
    await apply(Log(shared_database), a_change(message, "edit", text="other"))
    assert log.known_head(conversation) == 1
    assert (await send(log, a_message(conversation, sender, "2"))).record.seq == 3
    assert log.known_head(conversation) == 3


async def _until_one_is_unknown(log: Log, work: asyncio.Future[Any]) -> None:
    while not log.appender.counters.unknown_outcomes and not work.done():  # noqa: ASYNC110 - the log has no event
        await asyncio.sleep(0)


async def test_outcomes_that_are_unknown_are_found_out(
    shared_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So short a limit ends most writes after they were stored and before a majority had them."""
    log, sender = Log(shared_database), new_id()
    conversations = [new_id() for _ in range(10)]
    announced: dict[str, list[int]] = {conversation: [] for conversation in conversations}

    async def one(conversation: str, key: str) -> None:
        await log.append_message(
            a_message(conversation, sender, key), lambda stored: announced[conversation].append(stored.seq)
        )

    monkeypatch.setattr(store.log.appender, "LONGEST_BATCH_SECONDS", 0.001)
    sending = asyncio.gather(*(one(c, str(number)) for number in range(8) for c in conversations))
    await _until_one_is_unknown(log, sending)
    monkeypatch.undo()
    await sending
    for conversation in conversations:
        stored = await entries(shared_database, conversation)
        assert keys(stored) == [str(number) for number in range(8)]
        assert [entry["seq"] for entry in stored] == announced[conversation] == upto(8)
    assert log.appender.counters.appended + log.appender.counters.unknown_outcomes >= 80


async def test_a_mongodb_that_is_slower_than_the_first_limits_is_waited_for(
    shared_database: Database, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each read, and each batch, has more time than the one before it that was cut."""
    monkeypatch.setattr(store.log.appender, "BATCH_SECONDS", 0.0001)
    conversation, sender = new_id(), new_id()
    for number in range(3):
        await write(log, a_message(conversation, sender, str(number)))
    assert [entry["seq"] for entry in await entries(shared_database, conversation)] == upto(3)


async def test_changes_of_unknown_outcome_are_applied_once(
    shared_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = Log(shared_database)
    message = await write(log, a_message(new_id(), new_id(), "1"))
    monkeypatch.setattr(store.log.appender, "LONGEST_BATCH_SECONDS", 0.001)
    changing = asyncio.gather(*(apply(log, a_change(message, "edit", text=str(number))) for number in range(10)))
    await _until_one_is_unknown(log, changing)
    monkeypatch.undo()
    applied = await changing
    assert [each.seq for each in applied] == upto(11)[1:]
    stored, *changes = await entries(shared_database, message.conversation_id)
    assert (stored["text"], stored["version"], len(changes)) == ("9", 10, 10)
    assert stored["_id"] == ObjectId(message.id)
    assert not any("unapplied" in change for change in changes)


async def test_each_waiting_entry_has_its_own_deadline(shared_database: Database, log: Log) -> None:
    """Whichever waits before it: it is told, and not stored; the others are."""
    released = asyncio.Event()

    class Stuck(Appender):
        async def _insert(self, documents: list[Document]) -> Document:
            await released.wait()
            return await super()._insert(documents)

    appender = Stuck(shared_database, log.changes.apply, lambda _: None, log.projections.begin)
    conversation = new_id()

    def append(key: str) -> asyncio.Future[Any]:
        return appender.append(message_document(a_message(conversation, new_id(), key)), lambda _: None)

    patient = [append("first")]
    with within(Budget(seconds=0.3)):
        expiring = append("second")
    patient.append(append("third"))
    async with asyncio.timeout(3):
        with pytest.raises(DomainError) as refused:
            await expiring
    assert refused.value.code == Code.UNAVAILABLE
    assert [future.done() for future in patient] == [False, False]
    assert appender.waiting == 2
    released.set()
    assert [(await future).document["seq"] for future in patient] == upto(2)
    assert keys(await entries(shared_database, conversation)) == ["first", "third"]
