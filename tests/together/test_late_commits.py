"""Entries committed long after they were submitted, and announced by nobody: rooms get them, or are told to sync.

A frozen primary commits an entry when it thaws; the node that submitted it may be dead by then.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from bson import ObjectId, Timestamp

from domain import rooms
from domain.times import whole_milliseconds
from server.app import utc_now
from server.fanout.gaps import MAX_BACK, MAX_HISTORY_SECONDS
from server.fanout.reorder import CommitPoint, ReorderBuffer
from store.log.documents import MESSAGES, message_document
from tests.harness.devices import Device
from tests.store.writing import a_message
from tests.together.fanout_stage import Stage, Talk, stage


@pytest.fixture
async def two(database_url: str, tmp_path: Path) -> AsyncIterator[Stage]:
    async with stage(database_url, tmp_path) as made:
        yield made


async def begun(two: Stage) -> tuple[Talk, Device]:
    """Two entries; then the client joins the second node and syncs."""
    talk = Talk(*(await two.people.pair()))
    talk.devices.append(await two.join(talk.trainer, 0))
    await talk.say(talk.devices[0], "first")
    await talk.say(talk.devices[0], "second")
    phone = await two.join(talk.client, 1)
    await phone.do("sync", {"cursors": {}})
    return talk, phone


async def commit_late(two: Stage, talk: Talk, seq: int, submitted: timedelta) -> None:
    at = whole_milliseconds(utc_now() - submitted)
    # An id of that time too; its last part keeps it apart from others of the same second.
    entry_id = str(ObjectId.from_datetime(at))[:8] + str(ObjectId())[8:]
    entry = a_message(talk.id, talk.client.id, f"late {seq}")
    entry = msgspec.structs.replace(entry, id=entry_id, created_at=at, updated_at=at)
    await two.nodes[0].node.database.collection(MESSAGES).insert_one(message_document(entry) | {"seq": seq})


def room_of(two: Stage, talk: Talk) -> ReorderBuffer:
    found = two.nodes[1].node.room_subscriptions.buffer(rooms.user(talk.client.id))
    assert found is not None
    return found


@pytest.mark.parametrize("submitted", [timedelta(seconds=10), timedelta(hours=1)])
async def test_an_entry_submitted_before_the_device_joined_and_committed_since(
    two: Stage, submitted: timedelta
) -> None:
    talk, phone = await begun(two)
    await commit_late(two, talk, 3, submitted)
    await talk.say(talk.devices[0], "fourth")
    await phone.hear("message:new", 2)
    assert talk.heard(phone) == [3, 4]
    assert phone.events("sync:required") == []
    await talk.everyone_heard_everything()


def forget(room: ReorderBuffer) -> None:
    """As when MongoDB did not answer while the device connected."""
    room.since = None


def age(room: ReorderBuffer) -> None:
    assert room.since is not None
    room.since = replace(room.since, read_at=room.since.read_at - MAX_HISTORY_SECONDS)


def lose_history(room: ReorderBuffer) -> None:
    assert room.since is not None
    room.since = CommitPoint(Timestamp(1, 1), room.since.read_at)


@pytest.mark.parametrize("spoil", [forget, age, lose_history])
async def test_where_it_is_not_known_what_the_room_has_it_is_told_to_sync(
    two: Stage, spoil: Callable[[ReorderBuffer], None]
) -> None:
    talk, phone = await begun(two)
    spoil(room_of(two, talk))
    await commit_late(two, talk, 3, timedelta(seconds=10))
    await talk.say(talk.devices[0], "fourth")
    await phone.hear("message:new")
    assert [name for name, _ in phone.heard] == ["sync:required", "message:new"]
    assert talk.heard(phone) == [4]
    assert await _synced(phone, talk, 2) == [3, 4]


async def test_after_that_it_is_known_again(two: Stage) -> None:
    """One `sync` a room, not one a conversation."""
    talk, phone = await begun(two)
    room = room_of(two, talk)
    forget(room)
    await commit_late(two, talk, 3, timedelta(seconds=10))
    await talk.say(talk.devices[0], "fourth")
    await phone.hear("message:new")
    assert room.since is not None
    # As in a conversation of which the room was given nothing yet.
    room.forget(talk.id)
    await commit_late(two, talk, 5, timedelta(seconds=10))
    await talk.say(talk.devices[0], "sixth")
    await phone.hear("message:new", 3)
    assert talk.heard(phone) == [4, 5, 6]
    assert len(phone.events("sync:required")) == 1


async def test_who_lacks_too_much_is_told_to_sync(two: Stage) -> None:
    talk, phone = await begun(two)
    last = 2 + MAX_BACK + 1
    for seq in range(3, last + 1):
        await commit_late(two, talk, seq, timedelta(seconds=10))
    await talk.say(talk.devices[0], "newest")
    await phone.hear("message:new")
    assert [name for name, _ in phone.heard] == ["sync:required", "message:new"]
    assert talk.heard(phone) == [last + 1]


async def _synced(phone: Device, talk: Talk, seq: int) -> list[int]:
    (answer,) = (await phone.do("sync", {"cursors": {talk.id: seq}}))["conversations"]
    return [entry["seq"] for entry in answer["entries"]]
