"""After an interruption every room is told to sync, over a while and once; what can be fetched is fetched at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from server.fanout import envelope
from server.fanout.reorder import ReorderBuffer
from server.fanout.subscriptions import EVERYONE, RESYNC_SPREAD_SECONDS, channel
from tests.harness.nodes import RunningNode, running_node

ROOMS = [f"user:{number:024x}" for number in range(200)]
ANOTHER_NODE = bytes(8)


class LatestMoment:
    """Chance that gives each room the last moment."""

    def uniform(self, low: float, high: float) -> float:
        return high


class SyncNotices:
    """What the rooms of a node are told, and when, by iterations of the loop: one in five milliseconds is counted."""

    def __init__(self, running: RunningNode, monkeypatch: pytest.MonkeyPatch) -> None:
        self.rooms: list[str] = []
        self.turns: list[int] = []
        self.caught_up_after: list[int] = []
        self._changed = asyncio.Event()
        self._turn = 0
        self._counting = asyncio.get_running_loop().create_task(self._count())
        monkeypatch.setattr(running.node.delivery, "resync", self._resync)
        monkeypatch.setattr(running.node.filler, "catch_up", self._catch_up)

    def _resync(self, room: str) -> None:
        self.rooms.append(room)
        self.turns.append(self._turn)
        self._changed.set()

    def _catch_up(self, rooms: Iterable[ReorderBuffer]) -> None:
        self.caught_up_after.append(len(self.rooms))

    async def _count(self) -> None:
        while True:
            self._turn += 1
            await asyncio.sleep(0.005)

    async def until(self, count: int) -> None:
        async with asyncio.timeout(3 * RESYNC_SPREAD_SECONDS):
            while len(self.rooms) < count:
                self._changed.clear()
                await self._changed.wait()

    def stop(self) -> None:
        self._counting.cancel()


@asynccontextmanager
async def entered(running: RunningNode, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[SyncNotices]:
    await asyncio.gather(*(running.node.room_subscriptions.enter(room) for room in ROOMS))
    told = SyncNotices(running, monkeypatch)
    yield told
    told.stop()


def interrupted(running: RunningNode) -> None:
    """Another node publishes that anything may have been missed."""
    running.node.bus.publish(EVERYONE, envelope.resync(ANOTHER_NODE))


async def test_over_a_while_and_not_in_one_turn_of_the_loop(
    running: RunningNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with entered(running, monkeypatch) as told:
        interrupted(running)
        await told.until(len(ROOMS))
        assert sorted(told.rooms) == ROOMS
        assert len(set(told.turns)) > 10
        # What can be fetched is not put off.
        assert told.caught_up_after == [0]


async def test_rooms_told_one_by_one_are_spread_as_well(running: RunningNode, monkeypatch: pytest.MonkeyPatch) -> None:
    """A publisher that was cut off tells each room of its last seconds, all in a row."""
    async with entered(running, monkeypatch) as told:
        for room in ROOMS:
            running.node.bus.publish(channel(room), envelope.resync(ANOTHER_NODE))
        await told.until(len(ROOMS))
        assert sorted(told.rooms) == ROOMS
        assert len(set(told.turns)) > 10


async def test_told_often_in_a_row_a_room_is_told_once(running: RunningNode, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.fanout.subscriptions.random", LatestMoment())
    async with entered(running, monkeypatch) as told:
        for _ in range(5):
            interrupted(running)
        await told.until(len(ROOMS))
        assert sorted(told.rooms) == ROOMS
        assert len(told.caught_up_after) == 5


async def test_a_room_that_is_dropped_is_not_told(running: RunningNode, monkeypatch: pytest.MonkeyPatch) -> None:
    feeds = running.node.room_subscriptions
    monkeypatch.setattr("server.fanout.subscriptions.random", LatestMoment())
    monkeypatch.setattr(feeds, "_linger", 0.0)
    async with entered(running, monkeypatch) as told:
        interrupted(running)
        async with asyncio.timeout(15):
            while not told.caught_up_after:  # noqa: ASYNC110 - a callback of the bus
                await asyncio.sleep(0.01)
        for room in ROOMS[:100]:
            feeds.leave(room)
        await told.until(100)
        assert sorted(told.rooms) == ROOMS[100:]


async def test_no_timer_outlives_the_node(
    database_url: str, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running_node(database_url, redis_url, tmp_path) as running:
        monkeypatch.setattr("server.fanout.subscriptions.random", LatestMoment())
        monkeypatch.setattr("server.fanout.subscriptions.RESYNC_SPREAD_SECONDS", 600.0)
        async with entered(running, monkeypatch) as told:
            interrupted(running)
            async with asyncio.timeout(15):
                while not told.caught_up_after:  # noqa: ASYNC110 - a callback of the bus
                    await asyncio.sleep(0.01)
        timers = [feed.resync for feed in running.node.room_subscriptions._subscriptions.values()]
        assert len(timers) >= len(ROOMS)
    assert all(timer is not None and timer.cancelled() for timer in timers)
