"""Watermarks: forward only in the database too, whoever writes, and in few writes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from bson import ObjectId

import store.concurrency
from store.conversations import PARTICIPANTS, Conversations
from store.database import Database
from store.watermarks import Marks, Watermarks
from tests.store.writing import new_id, now


@pytest.fixture
async def participant(shared_database: Database) -> AsyncIterator[str]:
    record = await Conversations(shared_database).open(new_id(), new_id(), now())
    yield record.membership.participant_ids[0]


async def _stored(database: Database, participant_id: str) -> Marks:
    found = await database.collection(PARTICIPANTS).find_one({"_id": ObjectId(participant_id)})
    assert found is not None
    return Marks(found["seenSeq"], found["deliveredSeq"])


async def test_before_and_after(shared_database: Database, participant: str) -> None:
    marks = Watermarks(shared_database)
    assert await marks.raise_to(participant, Marks(delivered=3)) == (Marks(0, 0), Marks(0, 3))
    assert await marks.raise_to(participant, Marks(seen=2)) == (Marks(0, 3), Marks(2, 3))
    assert await marks.raise_to(participant, Marks(seen=1, delivered=2)) == (Marks(2, 3), Marks(2, 3))
    assert await marks.raise_to(participant, Marks(seen=7)) == (Marks(2, 3), Marks(7, 7))
    assert await _stored(shared_database, participant) == Marks(7, 7)


async def test_a_restart_knows_them(shared_database: Database, participant: str) -> None:
    await Watermarks(shared_database).raise_to(participant, Marks(4, 6))
    again = Watermarks(shared_database)
    assert again.known(participant) == Marks(0, 0)
    assert await again.raise_to(participant, Marks(seen=5)) == (Marks(4, 6), Marks(5, 6))
    assert again.known(participant) == Marks(5, 6)


async def test_a_node_that_is_behind_moves_nothing_back(shared_database: Database, participant: str) -> None:
    behind, ahead = Watermarks(shared_database), Watermarks(shared_database)
    await behind.raise_to(participant, Marks(1, 1))
    await ahead.raise_to(participant, Marks(9, 9))
    await behind.raise_to(participant, Marks(2, 4))
    assert await _stored(shared_database, participant) == Marks(9, 9)


@pytest.mark.parametrize("seqs", [(1, 1, 1, 1), (3, 1, 5, 5, 2, 4, 8), (2, 9)])
async def test_each_step_is_told_once(shared_database: Database, seqs: tuple[int, ...]) -> None:
    """Of those who raise at the same moment, the steps from before to after make one way up, without a gap."""
    conversations = Conversations(shared_database)
    for _ in range(12):
        record = await conversations.open(new_id(), new_id(), now())
        participant_id = record.membership.participant_ids[0]
        marks = Watermarks(shared_database)
        steps = await asyncio.gather(*(marks.raise_to(participant_id, Marks(seen=seq)) for seq in seqs))
        moved = sorted((before.seen, after.seen) for before, after in steps if after.seen > before.seen)
        assert [before for before, _ in moved] == [0, *(after for _, after in moved[:-1])]
        assert moved[-1][1] == max(seqs)
        assert marks.known(participant_id) == await _stored(shared_database, participant_id)


async def test_what_waits_is_written_together(
    shared_database: Database, participant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store.watermarks, "MAX_BATCH", 3)
    conversations, marks = Conversations(shared_database), Watermarks(shared_database)
    records = await asyncio.gather(*(conversations.open(new_id(), new_id(), now()) for _ in range(5)))
    ids = [i for record in records for i in record.membership.participant_ids]
    await asyncio.gather(*(marks.raise_to(i, Marks(seq, seq)) for seq in range(1, 5) for i in ids))
    assert [await _stored(shared_database, i) for i in ids] == [Marks(4, 4)] * len(ids)


async def test_little_is_remembered_and_nothing_lost(
    shared_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store.watermarks, "MAX_REMEMBERED", 2)
    conversations, marks = Conversations(shared_database), Watermarks(shared_database)
    records = [await conversations.open(new_id(), new_id(), now()) for _ in range(3)]
    ids = [i for record in records for i in record.membership.participant_ids]
    for number, i in enumerate(ids, 1):
        await marks.raise_to(i, Marks(seen=number))
    for number, i in enumerate(ids, 1):
        assert await marks.raise_to(i, Marks(seen=1)) == (Marks(number, number), Marks(number, number))


async def test_a_reader_that_leaves_takes_nobody_elses_mark_along(shared_database: Database, participant: str) -> None:
    marks = Watermarks(shared_database)
    await marks.raise_to(participant, Marks(1, 1))
    leaving = asyncio.ensure_future(marks.raise_to(participant, Marks(5, 5)))
    staying = asyncio.ensure_future(marks.raise_to(participant, Marks(3, 3)))
    await asyncio.sleep(0)
    leaving.cancel()
    assert (await staying)[1] == Marks(3, 3)
    assert await _stored(shared_database, participant) == Marks(5, 5)


async def test_a_write_that_fails_is_told_and_the_next_one_goes_on(
    shared_database: Database, participant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    marks = Watermarks(shared_database)
    await marks.raise_to(participant, Marks(1, 1))
    # No write is done in no time, and so none of the whole batch.
    monkeypatch.setattr(store.concurrency, "WRITE_SECONDS", 0)
    results = await asyncio.gather(
        *(marks.raise_to(participant, Marks(seq, seq)) for seq in (2, 3)), return_exceptions=True
    )
    assert all(isinstance(result, Exception) for result in results)
    monkeypatch.undo()
    assert await marks.raise_to(participant, Marks(4, 4)) == (Marks(1, 1), Marks(4, 4))
    assert await _stored(shared_database, participant) == Marks(4, 4)
