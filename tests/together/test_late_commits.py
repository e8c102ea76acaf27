"""Entries that are committed long after they were submitted: a frozen primary holds them while their node is killed."""

from __future__ import annotations

from datetime import timedelta

import pytest
from bson import ObjectId

from server.app import utc_now
from server.fanout.reorder import Joined
from store.log.documents import MESSAGES, message_document
from tests.harness.devices import Device
from tests.store.writing import a_message
from tests.together.fanout_nodes import ConversationDevices, FanoutNodes


async def commit_late(two_fanout_nodes: FanoutNodes, talk: ConversationDevices, seq: int) -> None:
    """Submitted five minutes ago by a node that is dead, and committed now; nobody publishes it."""
    submitted = utc_now() - timedelta(minutes=5)
    document = message_document(a_message(talk.id, talk.trainer.id, f"late {seq}", f"late {seq}"))
    old_id = ObjectId(ObjectId.from_datetime(submitted).binary[:4] + ObjectId().binary[4:])
    document |= {"_id": old_id, "createdAt": submitted, "updatedAt": submitted, "seq": seq}
    await two_fanout_nodes.nodes[0].node.database.collection(MESSAGES).insert_one(document)


async def begun(two_fanout_nodes: FanoutNodes) -> tuple[ConversationDevices, Device]:
    """A conversation with one message, and a device of the client that has synced at the second node."""
    talk = ConversationDevices(*(await two_fanout_nodes.people.pair()))
    talk.devices.append(await two_fanout_nodes.join(talk.trainer, 0))
    await talk.say(talk.devices[0], "first")
    device = await two_fanout_nodes.join(talk.client, 1)
    (synced,) = (await device.do("sync", {"cursors": {}}))["conversations"]
    assert synced["cursor"] == 1
    return talk, device


async def test_who_synced_before_the_commit_is_given_the_entry(two_fanout_nodes: FanoutNodes) -> None:
    talk, device = await begun(two_fanout_nodes)
    await commit_late(two_fanout_nodes, talk, 2)
    await talk.say(talk.devices[0], "third")
    assert [event["seq"] for event in await device.receive("message:new", 2)] == [2, 3]
    assert device.events("sync:required") == []


async def test_who_syncs_after_the_commit_is_not_given_it_again(two_fanout_nodes: FanoutNodes) -> None:
    talk = ConversationDevices(*(await two_fanout_nodes.people.pair()))
    talk.devices.append(await two_fanout_nodes.join(talk.trainer, 0))
    await talk.say(talk.devices[0], "first")
    await commit_late(two_fanout_nodes, talk, 2)
    device = await two_fanout_nodes.join(talk.client, 1)
    await talk.say(talk.devices[0], "third")
    assert [event["seq"] for event in await device.receive("message:new")] == [3]


async def test_where_it_cannot_be_told_the_members_have_to_sync(
    two_fanout_nodes: FanoutNodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def unknown() -> Joined | None:
        return None

    with monkeypatch.context() as patched:
        patched.setattr(two_fanout_nodes.nodes[1].node.filler, "join", unknown)
        talk, device = await begun(two_fanout_nodes)
    await commit_late(two_fanout_nodes, talk, 2)
    await talk.say(talk.devices[0], "third")
    await device.receive("sync:required")
    assert [event["seq"] for event in await device.receive("message:new")] == [3]
    # From then on it can be told.
    await commit_late(two_fanout_nodes, talk, 4)
    await talk.say(talk.devices[0], "fifth")
    assert [event["seq"] for event in await device.receive("message:new", 3)] == [3, 4, 5]
    assert len(device.events("sync:required")) == 1


async def test_a_head_that_is_announced_to_an_old_room_is_told_to_its_members_or_has_them_sync(
    two_fanout_nodes: FanoutNodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.fanout.gaps.HISTORY_SECONDS", 0)
    talk, device = await begun(two_fanout_nodes)
    await commit_late(two_fanout_nodes, talk, 2)
    two_fanout_nodes.nodes[0].node.publisher.announce_head(talk.id, 2, f"user:{talk.client.id}")
    await device.until(lambda phone: bool(phone.events("sync:required") or phone.events("message:new")))
