"""What a node receives of another's entries, between its own attempts."""

from __future__ import annotations

import asyncio

import pytest
from bson import ObjectId

from store.database import Database, Document
from store.log.appender import Appender
from store.log.fairness import (
    BACKOFF_IN_WRITES,
    CONTENDED_SECONDS,
    MAX_BACKOFFS,
    RUN_LENGTH,
    Contention,
    Fairness,
)
from store.log.heads import Heads
from store.log.log import Log
from tests.harness.waiting import until
from tests.store.writing import a_message, new_id, numbers, upto, write


async def test_what_is_learned_of_a_race_counts_for_that_race(
    shared_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A loser that received the winner's entry goes on, loses the next race, and then reads what it knew before."""
    log, faster, conversation, sender = Log(shared_database), Log(shared_database), new_id(), new_id()
    answered = [asyncio.Event() for _ in range(3)]
    learned: list[dict[ObjectId, int]] = []
    after = Heads.after

    async def late(heads: Heads, reply: Document, ids: list[ObjectId]) -> dict[ObjectId, int]:
        learned.append(await after(heads, reply, ids))
        found = learned[-1]
        await answered[len(learned) - 1].wait()
        return found

    monkeypatch.setattr(Heads, "after", late)
    await write(log, a_message(conversation, sender, "1"))
    await write(faster, a_message(conversation, sender, "2"))
    writing = asyncio.ensure_future(write(log, a_message(conversation, sender, "mine")))
    await until(lambda: len(learned) == 1)
    await write(faster, a_message(conversation, sender, "3"))
    log.received(conversation, 2)
    await until(lambda: len(learned) == 2)
    answered[0].set()
    await asyncio.sleep(0.02)
    assert log.known_head(conversation) == 2
    answered[1].set()
    answered[2].set()
    assert (await writing).seq == 4
    assert await numbers(shared_database, conversation) == upto(4)
    assert [list(heads.values()) for heads in learned] == [[2], [3]]
    assert log.appender.counters.lost_races == 2


async def test_two_that_alternate_leave_a_gap_to_a_third(shared_database: Database, log: Log) -> None:
    """One that receives neither has to read what the others receive: without a gap it always comes too late."""
    written: list[int] = []

    class Stored(Appender):
        """Stores nothing: this node alone decides what happens next."""

        async def _insert(self, documents: list[Document]) -> Document:
            written.extend(document["seq"] for document in documents)
            return {}

    appender = Stored(shared_database, log.changes.apply, lambda _: None, log.projections.begin)
    conversation = ObjectId()
    appender._fairness.batch_written(0.2)
    queue = appender._queue_of(conversation)
    queue.head = 0
    appender.received(conversation, 1)
    for _ in range(RUN_LENGTH + 1):
        appender.append({"conversationId": conversation}, lambda _: None)
    for number in range(1, RUN_LENGTH):
        await until(lambda: queue.pause is not None)
        appender.received(conversation, 2 * number + 1)
        assert queue.pause is None
    await until(lambda: queue.pause is not None)
    assert written == [2 * number for number in range(1, RUN_LENGTH + 1)]
    appender.received(conversation, 2 * RUN_LENGTH + 1)
    assert queue.pause is not None
    appender.received(conversation, 2 * RUN_LENGTH + 2)
    assert queue.pause is None
    await until(lambda: not queue.busy)
    assert written[-1] == 2 * RUN_LENGTH + 3


def _received_once(at: float) -> tuple[Fairness, Contention]:
    """Of another node, by one whose writes take a tenth of a second."""
    fairness, contention = Fairness(), Contention()
    for _ in range(50):
        fairness.batch_written(0.1)
    fairness.received(contention, at)
    return fairness, contention


def test_another_node_is_let_in_a_few_times_and_then_no_more() -> None:
    fairness, contention = _received_once(10.0)
    assert fairness.pause_before(contention, 10.0) == 0.0
    for _ in range(MAX_BACKOFFS):
        fairness.written(contention, 10.0)
        assert fairness.pause_before(contention, 10.0) == pytest.approx(BACKOFF_IN_WRITES * 0.1, rel=0.01)
    fairness.written(contention, 10.0)
    assert fairness.pause_before(contention, 10.0) == 0.0


def test_a_node_that_wrote_long_ago_is_waited_for_no_more() -> None:
    fairness, contention = _received_once(10.0)
    later = 10.0 + CONTENDED_SECONDS
    fairness.written(contention, later)
    assert fairness.pause_before(contention, later) == 0.0
