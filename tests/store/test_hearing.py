"""What a node hears of another's entries, between its own tries."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from bson import ObjectId

from store.database import Database, Document
from store.log.fairness import CONTENDED_SECONDS, COURTESIES, PATIENCE_IN_WRITES, TURN, Fairness
from store.log.heads import Heads
from store.log.log import Log
from store.log.queues import Appended, ConversationQueue, ConversationQueues, Pending
from store.log.scheduler import BatchScheduler
from tests.store.writing import a_message, new_id, numbers, upto, write


async def _until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not true():  # noqa: ASYNC110 - the log has no event
            await asyncio.sleep(0.001)


async def test_what_is_learned_of_a_race_counts_for_that_race(
    shared_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A loser that heard the winner first goes on, loses the next race, and is then told what it knew before."""
    log, faster, conversation, sender = Log(shared_database), Log(shared_database), new_id(), new_id()
    told = [asyncio.Event() for _ in range(3)]
    learned: list[dict[ObjectId, int]] = []
    after = Heads.after

    async def late(heads: Heads, reply: Document, ids: list[ObjectId]) -> dict[ObjectId, int]:
        learned.append(await after(heads, reply, ids))
        found = learned[-1]
        await told[len(learned) - 1].wait()
        return found

    monkeypatch.setattr(Heads, "after", late)
    await write(log, a_message(conversation, sender, "1"))
    await write(faster, a_message(conversation, sender, "2"))
    writing = asyncio.ensure_future(write(log, a_message(conversation, sender, "mine")))
    await _until(lambda: len(learned) == 1)
    await write(faster, a_message(conversation, sender, "3"))
    log.heard(conversation, 2)
    await _until(lambda: len(learned) == 2)
    told[0].set()
    await asyncio.sleep(0.02)
    assert log.known_head(conversation) == 2
    told[1].set()
    told[2].set()
    assert (await writing).seq == 4
    assert await numbers(shared_database, conversation) == upto(4)
    assert [list(heads.values()) for heads in learned] == [[2], [3]]
    assert log.appender.counters.lost_races == 2


async def test_two_that_take_turns_leave_a_gap_to_a_third(shared_database: Database) -> None:
    """One that hears neither has to read what the others are told: without a gap it always comes too late."""
    loop, lanes, courtesy, conversation = asyncio.get_running_loop(), ConversationQueues(), Fairness(), ObjectId()
    courtesy.took(0.2)
    written: list[int] = []

    async def store(batch: list[ConversationQueue]) -> None:
        (lane,) = batch
        assert lane.head is not None
        lane.head += 1
        written.append(lane.head)
        courtesy.wrote(lane, loop.time())
        lanes.succeed(lane, Appended({}, False), lambda _: None)
        turns.next(lane)

    turns = BatchScheduler(lanes, Heads(shared_database), courtesy, store)
    for _ in range(TURN + 1):
        pending = Pending({"conversationId": conversation}, loop.create_future(), loop.time() + 10, lambda _: None)
        lane = lanes.add(pending)
    lane.head = 0
    turns.heard(lane, 1)
    turns.next(lane)
    for number in range(1, TURN):
        await _until(lambda: lane.pause is not None)
        turns.heard(lane, 2 * number + 1)
        assert lane.pause is None
    await _until(lambda: lane.pause is not None)
    assert written == [2 * number for number in range(1, TURN + 1)]
    turns.heard(lane, 2 * TURN + 1)
    assert lane.pause is not None
    turns.heard(lane, 2 * TURN + 2)
    assert lane.pause is None
    await _until(lambda: not lane.busy)
    assert written[-1] == 2 * TURN + 3


def _heard_once(at: float) -> tuple[Fairness, ConversationQueue]:
    """Of another node, by one whose writes take a tenth of a second."""
    courtesy, lane = Fairness(), ConversationQueue(ObjectId())
    for _ in range(50):
        courtesy.took(0.1)
    courtesy.heard(lane, at)
    return courtesy, lane


def test_whoever_was_heard_is_let_in_a_few_times_and_then_no_more() -> None:
    courtesy, lane = _heard_once(10.0)
    assert courtesy.pause_before(lane, 10.0) == 0.0
    for _ in range(COURTESIES):
        courtesy.wrote(lane, 10.0)
        assert courtesy.pause_before(lane, 10.0) == pytest.approx(PATIENCE_IN_WRITES * 0.1, rel=0.01)
    courtesy.wrote(lane, 10.0)
    assert courtesy.pause_before(lane, 10.0) == 0.0


def test_whoever_was_heard_long_ago_is_waited_for_no_more() -> None:
    courtesy, lane = _heard_once(10.0)
    later = 10.0 + CONTENDED_SECONDS
    courtesy.wrote(lane, later)
    assert courtesy.pause_before(lane, later) == 0.0
