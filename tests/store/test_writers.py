"""Several writers on one database, each with a cache of its own, as several nodes are."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from random import Random

import pytest

from store.database import Database
from store.log import appender
from store.log.log import Log
from tests.store.writing import Sent, a_message, entries, keys, new_id, send, upto


@pytest.fixture
async def logs(shared_database: Database, monkeypatch: pytest.MonkeyPatch) -> list[Log]:
    """Patient: hundreds of entries at once may take a busy machine longer than anybody waits for one."""
    monkeypatch.setattr(appender, "TIMEOUT_SECONDS", 60.0)
    return [Log(shared_database) for _ in range(3)]


async def test_numbers_are_dense_and_each_sender_keeps_its_order(shared_database: Database, logs: list[Log]) -> None:
    conversations = [new_id() for _ in range(4)]
    senders = {new_id(): log for log in logs for _ in range(2)}
    sending = [
        send(log, a_message(conversation, sender, f"{number:03}"))
        for number in range(25)
        for sender, log in senders.items()
        for conversation in conversations
    ]
    answers = await asyncio.gather(*sending)
    assert all(answer.fresh for answer in answers)
    for conversation in conversations:
        stored = await entries(shared_database, conversation)
        assert [entry["seq"] for entry in stored] == upto(25 * len(senders))
        by_sender = defaultdict(list)
        for entry in stored:
            by_sender[str(entry["senderId"])].append(entry)
        assert {sender: keys(sent) for sender, sent in by_sender.items()} == {
            sender: [f"{number:03}" for number in range(25)] for sender in senders
        }


async def test_announcements_of_each_writer_come_in_order(logs: list[Log]) -> None:
    conversation = new_id()
    announced: list[list[int]] = [[] for _ in logs]

    async def write(writer: int, key: str) -> None:
        record = a_message(conversation, new_id(), key)
        await logs[writer].append_message(record, lambda stored: announced[writer].append(stored.seq))

    await asyncio.gather(*(write(writer, str(number)) for number in range(20) for writer in range(len(logs))))
    assert all(seqs == sorted(seqs) for seqs in announced)
    assert sorted(seq for seqs in announced for seq in seqs) == upto(20 * len(logs))


async def test_repeats_to_several_writers_are_stored_once(shared_database: Database, logs: list[Log]) -> None:
    conversation, sender, chance = new_id(), new_id(), Random(3)
    attempts = [str(number) for number in range(40) for _ in logs]
    chance.shuffle(attempts)

    async def attempt(log: Log, key: str) -> tuple[str, Sent]:
        return key, await send(log, a_message(conversation, sender, key, f"text {key}"))

    answers = await asyncio.gather(*(attempt(chance.choice(logs), key) for key in attempts))
    stored = await entries(shared_database, conversation)
    assert [entry["seq"] for entry in stored] == upto(40)
    assert sorted(keys(stored)) == sorted(map(str, range(40)))
    ids = {entry["clientMessageId"]: (str(entry["_id"]), entry["seq"]) for entry in stored}
    assert all((answer.record.id, answer.record.seq) == ids[key] for key, answer in answers)
    fresh = [key for key, answer in answers if answer.fresh]
    assert sorted(fresh) == sorted(ids)


async def test_a_late_writer_goes_on_where_the_others_are(shared_database: Database, logs: list[Log]) -> None:
    first, second, _ = logs
    conversation, sender = new_id(), new_id()
    seqs = []
    for number, log in enumerate([first, first, second, second, first, second]):
        seqs.append((await send(log, a_message(conversation, sender, str(number)))).record.seq)
    assert seqs == upto(6)
    late = Log(shared_database)
    assert (await send(late, a_message(conversation, sender, "late"))).record.seq == 7
    assert (await send(late, a_message(conversation, sender, "2"))).record.seq == 3
