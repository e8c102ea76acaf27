"""The reorder buffer: whatever order entries arrive in, and however often, a room is given each once and in order."""

from __future__ import annotations

import asyncio
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.fanout.delivery import Delivery
from server.fanout.reorder import HOLD_SECONDS, UNKNOWN, ReorderBuffer
from server.protocol import frames
from server.protocol.frames import Frame
from server.revocation.freshness import Freshness
from server.sockets.rooms import RoomMembers

TALK = "a" * 24


class RecordingDelivery(Delivery):
    """Remembers what a room was given; ``withholds``: everything, for as long."""

    def __init__(self) -> None:
        super().__init__(RoomMembers(), Freshness())
        self.given: list[int] = []
        self.resyncs = 0
        self.withholds = False

    def deliver(self, namespace: str, room: str, frame: Frame) -> bool:
        if not self.withholds:
            self.given.append(int(frame.polled[1:]))
        return not self.withholds

    def resync(self, room: str) -> None:
        self.resyncs += 1


class RecordingFiller:
    """A filler that only remembers what it was asked for."""

    def __init__(self, may_wait: bool = True) -> None:
        self.may_wait = may_wait
        self.fills = 0
        self.places = 0
        self.filled = asyncio.Event()

    def fill(self, buffer: ReorderBuffer, conversation_id: str) -> None:
        self.fills += 1
        self.filled.set()

    def locate(self, buffer: ReorderBuffer, conversation_id: str) -> None:
        self.places += 1


class Room:
    def __init__(self, may_wait: bool = True) -> None:
        self.written, self.asked = RecordingDelivery(), RecordingFiller(may_wait)
        # When the room came: only those who place it ask.
        joined: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.buffer = ReorderBuffer("room", joined, self.written, self.asked)

    def entry(self, seq: int, certain: bool = False) -> None:
        self.buffer.entry(TALK, seq, frames.text(b"%d" % seq), certain)

    def serve_again(self, head: int) -> None:
        """What follows when entries were withheld: the log is read as far as it goes."""
        self.written.withholds = False
        self.buffer.head(TALK, head)
        cursor = self.buffer.cursor(TALK)
        assert cursor is not None
        if cursor.seq == UNKNOWN:
            self.buffer.start_at(TALK, 0)
        while cursor.seq < cursor.target:
            self.entry(cursor.seq + 1)


@pytest.fixture
async def room() -> Room:
    return Room()


async def test_in_order_nothing_is_asked_for(room: Room) -> None:
    for seq in range(1, 100):
        room.entry(seq)
    assert room.written.given == [*range(1, 100)]
    assert (room.asked.fills, room.asked.places, room.written.counters.held) == (0, 0, 0)


async def test_any_order_and_any_repetition(room: Room) -> None:
    for seed in range(200):
        room = Room()
        order = [*range(1, 30)] * 3
        random.Random(seed).shuffle(order)
        for seq in order:
            room.entry(seq)
        assert room.written.given == [*range(1, 30)]
        assert room.written.resyncs == 0
        room.buffer.close()


async def test_one_that_is_early_is_fetched_after_a_while(room: Room) -> None:
    room.entry(1)
    room.entry(3)
    assert room.written.given == [1]
    async with asyncio.timeout(5 * HOLD_SECONDS):
        await room.asked.filled.wait()
    room.entry(2)
    assert room.written.given == [1, 2, 3]


@pytest.mark.parametrize("fetched", [True, False])
async def test_what_comes_before_the_first_comes_once(room: Room, fetched: bool) -> None:
    """Also where the first is fetched, with its own, while the node that wrote it is slow: either may be late."""
    begins = frames.text(b"0")
    if not fetched:
        room.buffer.first_entry_event(TALK, begins)
    room.entry(2)
    room.buffer.first_entry_event(TALK, begins)
    room.entry(1)
    room.buffer.first_entry_event(TALK, begins)
    room.entry(1)
    assert room.written.given == [0, 1, 2]


async def test_what_comes_before_the_first_does_not_come_after_it(room: Room) -> None:
    """Who joined later has the conversation already."""
    room.entry(7, certain=True)
    room.buffer.first_entry_event(TALK, frames.text(b"0"))
    assert room.written.given == [7]


async def test_without_redis_nothing_is_waited_for() -> None:
    room = Room(may_wait=False)
    room.entry(1)
    room.entry(3)
    assert room.asked.fills == 1


async def test_the_first_of_an_old_conversation(room: Room) -> None:
    room.entry(7, certain=True)
    assert room.written.given == [7]
    assert room.asked.places == 0


async def test_the_first_of_an_old_conversation_whose_place_is_not_known(room: Room) -> None:
    room.entry(8)
    room.entry(7)
    assert room.asked.places == 1
    cursor = room.buffer.cursor(TALK)
    assert cursor is not None
    assert (cursor.seq, cursor.lowest) == (UNKNOWN, 7)
    room.buffer.start_at(TALK, 6)
    assert room.written.given == [7, 8]
    room.entry(9)
    assert room.written.given == [7, 8, 9]


async def test_what_was_written_before_the_place_and_comes_after(room: Room) -> None:
    """It cannot be put in order any more, so the members are told to sync; a repetition says nothing."""
    room.entry(7, certain=True)
    room.entry(7)
    assert room.written.resyncs == 0
    room.entry(6)
    room.entry(5)
    assert room.written.given == [7]
    assert room.written.resyncs == 1


async def test_a_head_that_was_received_and_one_that_was_not(room: Room) -> None:
    room.entry(1)
    room.buffer.head(TALK, 1)
    assert room.asked.fills == 0
    room.buffer.head(TALK, 3)
    assert room.asked.fills == 1
    room.entry(2)
    room.entry(3)
    assert room.written.given == [1, 2, 3]
    cursor = room.buffer.cursor(TALK)
    assert cursor is not None
    assert (cursor.seq, cursor.target, cursor.held) == (3, 3, {})


async def test_a_head_of_a_conversation_without_a_cursor(room: Room) -> None:
    room.buffer.head(TALK, 4)
    assert room.asked.places == 1
    room.buffer.start_at(TALK, 2)
    assert room.asked.fills == 1
    room.entry(3)
    room.entry(4)
    assert room.written.given == [3, 4]


async def test_giving_up(room: Room) -> None:
    room.entry(1)
    room.entry(3)
    room.entry(5)
    room.buffer.give_up(TALK)
    assert room.written.given == [1, 3, 5]
    assert room.written.resyncs == 1
    room.entry(6)
    assert room.written.given == [1, 3, 5, 6]


@given(st.lists(st.tuples(st.integers(1, 12), st.booleans(), st.booleans()), max_size=60))
async def test_never_out_of_order_never_twice(arrivals: list[tuple[int, bool, bool]]) -> None:
    room = Room()
    for seq, certain, is_head in arrivals:
        if is_head:
            room.buffer.head(TALK, seq)
        else:
            room.entry(seq, certain)
    given = room.written.given
    assert given == sorted(set(given))
    assert not given or given == [*range(given[0], given[-1] + 1)]
    room.buffer.close()


Arrivals = st.lists(
    st.one_of(st.booleans(), st.tuples(st.integers(1, 12), st.sampled_from(["entry", "head", "begins"]))), max_size=60
)


@given(Arrivals)
async def test_what_is_withheld_comes_before_what_is_later(arrivals: list[bool | tuple[int, str]]) -> None:
    """A boolean: whether sockets are served from here on."""
    room = Room()
    for arrival in arrivals:
        if isinstance(arrival, bool):
            room.written.withholds = not arrival
        elif arrival[1] == "entry":
            room.entry(arrival[0])
        elif arrival[1] == "head":
            room.buffer.head(TALK, arrival[0])
        else:
            room.buffer.first_entry_event(TALK, frames.text(b"0"))
    room.serve_again(12)
    assert [seq for seq in room.written.given if seq] == [*range(1, 13)]
    assert room.written.given.count(0) <= 1 and 0 not in room.written.given[1:]
    room.buffer.close()


async def test_what_begins_a_conversation_is_withheld_with_its_first_entry(room: Room) -> None:
    begins = frames.text(b"0")
    room.written.withholds = True
    room.buffer.first_entry_event(TALK, begins)
    room.entry(1, certain=True)
    room.entry(2)
    room.written.withholds = False
    room.buffer.first_entry_event(TALK, begins)
    room.serve_again(2)
    assert room.written.given == [0, 1, 2]


async def test_the_place_of_an_old_conversation_is_kept_where_its_first_is_withheld(room: Room) -> None:
    room.written.withholds = True
    room.entry(7, certain=True)
    room.entry(8)
    assert room.written.given == []
    room.serve_again(9)
    assert room.written.given == [7, 8, 9]
