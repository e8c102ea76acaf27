"""What a node committed and did not live to announce, nor to show in its conversation: survivors do both."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from uuid import uuid4

import pytest
from bson import ObjectId

from handlers.messages import recovery
from server.app import utc_now
from server.cluster.lease import LEASES, QUIET, STANDARD
from server.cluster.membership import DeadNode
from server.cluster.recovery import UnpublishedRecovery
from store import publish_outages
from store.database import Document
from store.log.documents import CONVERSATIONS, MESSAGES, message_document
from tests.faults.proxy import proxy, redis_through
from tests.harness.devices import Device, device
from tests.harness.nodes import running_node
from tests.harness.people import Person
from tests.harness.waiting import eventually
from tests.store.writing import a_change, a_message, abandon
from tests.together.fanout_nodes import ENTRIES, ConversationDevices, FanoutNodes
from tests.together.processes import served

# Three times what it takes to know that a lease is gone, and not only late.
TOLD_WITHIN_SECONDS = 3 * (STANDARD.lease_ms + STANDARD.margin_ms + 2_000 * STANDARD.renew_seconds) / 1000


async def died(two_fanout_nodes: FanoutNodes) -> None:
    """A third node, whose lease ran out a moment ago."""
    async with two_fanout_nodes.redis.client() as redis:
        ran_out = int(time.time() * 1000) - 1_000
        await redis.zadd(LEASES, {uuid4().hex: ran_out})
        # This Redis is young: without it nobody would be declared dead for one lease.
        await redis.hset(QUIET, "until", "0")


async def last_words(two_fanout_nodes: FanoutNodes, talk: ConversationDevices, seq: int, sender: Person) -> Document:
    """Stored by a node that died before it could say so."""
    database = two_fanout_nodes.nodes[0].node.database
    document = message_document(a_message(talk.id, sender.id, f"last words {seq}", "unannounced")) | {"seq": seq}
    await database.collection(MESSAGES).insert_one(document)
    return document


def entries(phone: Device) -> list[tuple[str, int]]:
    return [(name, data["seq"]) for name, data in phone.received if name in ENTRIES]


async def test_a_last_message_is_received_once_by_all_without_another(two_fanout_nodes: FanoutNodes) -> None:
    talk = await two_fanout_nodes.talk()
    await talk.say(talk.devices[0], "first")
    await talk.everyone_received_everything()
    last = await last_words(two_fanout_nodes, talk, 2, talk.client)
    await died(two_fanout_nodes)
    for phone in talk.devices:
        await phone.receive("message:new", 2)
        assert phone.events("message:new")[1]["message"]["id"] == str(last["_id"])
    await talk.say(talk.devices[1], "third")
    await talk.everyone_received_everything()
    for phone in talk.devices:
        assert entries(phone) == [("message:new", 1), ("message:new", 2), ("message:new", 3)]
        assert phone.events("sync:required") == []


async def test_first_words_that_are_the_last_too(two_fanout_nodes: FanoutNodes) -> None:
    talk = await two_fanout_nodes.talk()
    await last_words(two_fanout_nodes, talk, 1, talk.trainer)
    await died(two_fanout_nodes)
    for phone in talk.devices:
        await phone.receive("message:new")
        assert [name for name, _ in phone.received] == ["conversation:new", "message:new"]


async def test_a_change_that_was_not_even_applied(two_fanout_nodes: FanoutNodes) -> None:
    talk = await two_fanout_nodes.talk()
    message = await talk.say(talk.devices[0], "first")
    await talk.everyone_received_everything()
    record = await two_fanout_nodes.nodes[0].node.store.log.read.message(message["id"])
    assert record is not None
    await abandon(two_fanout_nodes.nodes[0].node.database, a_change(record, "edit", seq=2, text="edited"))
    await died(two_fanout_nodes)
    for phone in talk.devices:
        (updated,) = await phone.receive("message:updated")
        assert (updated["seq"], updated["message"]["text"]) == (2, "edited")


async def test_who_came_back_since_is_not_told_again(two_fanout_nodes: FanoutNodes) -> None:
    """Whoever connects has it from ``sync``; what is older than the connection is not said live."""
    talk = ConversationDevices(*(await two_fanout_nodes.people.pair()))
    talk.devices.append(await two_fanout_nodes.join(talk.trainer, 0))
    await talk.say(talk.devices[0], "first")
    await last_words(two_fanout_nodes, talk, 2, talk.client)
    back = await two_fanout_nodes.join(talk.client, 1)
    await died(two_fanout_nodes)
    await talk.devices[0].receive("message:new", 2)
    await talk.say(talk.devices[0], "third")
    assert [event["seq"] for event in await back.receive("message:new")] == [3]
    assert entries(talk.devices[0]) == [("message:new", 1), ("message:new", 2), ("message:new", 3)]


async def test_the_conversation_shows_it(two_fanout_nodes: FanoutNodes) -> None:
    talk = await two_fanout_nodes.talk()
    await talk.say(talk.devices[0], "first")
    last = await last_words(two_fanout_nodes, talk, 2, talk.client)
    await died(two_fanout_nodes)
    await talk.devices[0].receive("message:new", 2)
    shown = await two_fanout_nodes.nodes[0].node.database.collection(CONVERSATIONS).find_one({"_id": ObjectId(talk.id)})
    assert shown is not None
    assert (shown["head"], shown["lastMessage"], shown["updatedAt"]) == (2, last["_id"], last["createdAt"])


async def test_it_is_not_forgotten_while_the_database_is_away(
    two_fanout_nodes: FanoutNodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The dead stay on the list until all that they left is handled."""
    talk = await two_fanout_nodes.talk()
    await talk.say(talk.devices[0], "first")
    tried = asyncio.Semaphore(0)

    async def fail(*_: object, **__: object) -> dict[str, int]:
        tried.release()
        raise ConnectionError

    with monkeypatch.context() as broken:
        for running in two_fanout_nodes.nodes:
            broken.setattr(running.node.store.log.projections, "repair", fail)
        await last_words(two_fanout_nodes, talk, 2, talk.client)
        await died(two_fanout_nodes)
        for _ in range(3):
            await tried.acquire()
    for phone in talk.devices:
        await phone.receive("message:new", 2)


async def test_it_is_not_forgotten_when_redis_forgets_the_death(
    two_fanout_nodes: FanoutNodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database takes no row of it for now, and Redis, which knows of the death, is emptied meanwhile."""
    talk = await two_fanout_nodes.talk()
    await talk.say(talk.devices[0], "first")
    await talk.everyone_received_everything()
    tried = asyncio.Semaphore(0)

    async def fail(*_: object, **__: object) -> None:
        tried.release()
        raise ConnectionError

    with monkeypatch.context() as broken:
        for running in two_fanout_nodes.nodes:
            broken.setattr(running.node.store.publish_outages, "note_dead", fail)
        await last_words(two_fanout_nodes, talk, 2, talk.client)
        await died(two_fanout_nodes)
        await tried.acquire()
        async with two_fanout_nodes.redis.client() as redis:
            await redis.flushall()
    for phone in talk.devices:
        await phone.until(told_of(2), within=TOLD_WITHIN_SECONDS)


async def test_who_is_killed_when_redis_was_just_emptied_is_published_for(
    two_fanout_nodes: FanoutNodes, database_url: str, tmp_path: Path
) -> None:
    """Redis has forgotten that the node ever was; those who saw its lease have not."""
    talk = await two_fanout_nodes.talk()
    async with (
        served(database_url, two_fanout_nodes.redis.url, tmp_path / "third") as third,
        device(third.url, await two_fanout_nodes.people.another_device(talk.client)) as phone,
    ):
        await talk.say(phone, "first")
        await talk.everyone_received_everything()
        await eventually(lambda: all(running.node.membership.alive == 3 for running in two_fanout_nodes.nodes))
        async with two_fanout_nodes.redis.client() as redis:
            await redis.flushall()
        await third.kill()
    last = await last_words(two_fanout_nodes, talk, 2, talk.client)
    # As its sender repeats it at another node, and is acknowledged: it is in the log.
    repeating = await two_fanout_nodes.join(talk.client, 0)
    repeated = await repeating.send(talk.id, "last words 2", "unannounced")
    assert (repeated["id"], repeated["seq"]) == (str(last["_id"]), 2)
    for phone in talk.devices:
        await phone.until(told_of(2), within=TOLD_WITHIN_SECONDS)


def told_of(seq: int) -> Callable[[Device], bool]:
    return lambda phone: bool(phone.events("sync:required")) or any(number == seq for _, number in entries(phone))


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
async def test_who_ends_while_cut_off_from_redis_is_published_for(
    two_fanout_nodes: FanoutNodes,
    database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    end: signal.Signals,
) -> None:
    """No lease tells of it: others have taken over long ago, or Redis has forgotten that the node ever was."""
    talk = await two_fanout_nodes.talk()
    async with (
        proxy(two_fanout_nodes.redis.url) as way,
        served(database_url, redis_through(way), tmp_path / "third") as third,
        device(third.url, await two_fanout_nodes.people.another_device(talk.client)) as phone,
    ):
        await talk.say(phone, "first")
        await talk.everyone_received_everything()
        way.close()
        await eventually(partial(_outages, two_fanout_nodes))
        async with two_fanout_nodes.redis.client() as redis:
            await redis.flushall()
        await talk.say(phone, "late")
        third.process.send_signal(end)
        await third.process.wait()
        # As if the time had passed in which it could have said that it lives.
        monkeypatch.setattr(recovery, "OUTAGE_OVER_AFTER", timedelta(0))
        rows = two_fanout_nodes.nodes[0].node.database.collection(publish_outages.NAME)
        await rows.update_many({}, {"$set": {"dueAt": utc_now()}})
        await talk.everyone_received_everything()
    # Who looks says what it found before it notes that it has looked.
    await eventually(partial(_looked_after, two_fanout_nodes))


async def test_who_is_back_publishes_for_itself(
    two_fanout_nodes: FanoutNodes, database_url: str, tmp_path: Path
) -> None:
    talk = await two_fanout_nodes.talk()
    async with (
        proxy(two_fanout_nodes.redis.url) as way,
        running_node(database_url, redis_through(way), tmp_path / "third") as third,
        device(third.url, await two_fanout_nodes.people.another_device(talk.client)) as phone,
    ):
        way.close()
        await eventually(partial(_outages, two_fanout_nodes))
        await talk.say(phone, "late")
        await way.pass_through()
        await talk.everyone_received_everything()
        await eventually(partial(_no_outage, two_fanout_nodes))


async def _outages(two_fanout_nodes: FanoutNodes) -> list[Document]:
    """Of nodes that were cut off, and of none whose lease ran out."""
    outages = two_fanout_nodes.nodes[0].node.database.collection(publish_outages.NAME)
    return await outages.find({"dead": None}).to_list(None)


async def _looked_after(two_fanout_nodes: FanoutNodes) -> bool:
    (row,) = await _outages(two_fanout_nodes)
    return int(row.get("looks", 0)) > 0


async def _no_outage(two_fanout_nodes: FanoutNodes) -> bool:
    return not await _outages(two_fanout_nodes)


async def test_an_entry_that_is_committed_after_its_node_was_looked_after(two_fanout_nodes: FanoutNodes) -> None:
    """As by a frozen server that thaws: it was submitted by the dead, and is stored long after."""
    talk = await two_fanout_nodes.talk()
    await talk.say(talk.devices[0], "first")
    await talk.everyone_received_everything()
    submitted = message_document(a_message(talk.id, talk.client.id, "late", "committed late")) | {"seq": 2}
    await died(two_fanout_nodes)
    node = two_fanout_nodes.nodes[0].node
    rows = node.database.collection(publish_outages.NAME)
    await eventually(lambda: rows.find_one({"dead": True, "looks": {"$gte": 1}}))
    await node.database.collection(MESSAGES).insert_one(submitted)
    for phone in talk.devices:
        await phone.receive("message:new", 2)
        assert entries(phone) == [("message:new", 1), ("message:new", 2)]


@pytest.mark.parametrize("step_back_seconds", [0, 90])
async def test_a_death_is_noted_from_when_the_database_last_answered(
    two_fanout_nodes: FanoutNodes, step_back_seconds: int
) -> None:
    """What was sent to a server that stood still since may be committed when it goes on, whoever sets the clock."""
    now = utc_now()
    elapsed = 0.0
    answers = True

    async def answer() -> bool:
        return answers

    outages = two_fanout_nodes.nodes[0].node.store.publish_outages
    recovery = UnpublishedRecovery(outages, answer, lambda: now, lambda: elapsed)
    began = now
    answers = False
    for _ in range(3):
        now += timedelta(seconds=30)
        elapsed += 30
        await recovery.ask()
    ran_out = now - timedelta(seconds=2)
    now -= timedelta(seconds=step_back_seconds)
    rows = two_fanout_nodes.nodes[0].node.database.collection(publish_outages.NAME)
    for incarnation in ("while it is away", "just after"):
        await recovery.on_node_dead(DeadNode(incarnation, int(ran_out.timestamp() * 1000)))
        row = await rows.find_one({"_id": incarnation})
        assert row is not None
        assert abs(row["since"] - began) < timedelta(seconds=1)
        answers = True
        await recovery.ask()


async def test_a_lease_that_redis_lost_may_have_been_renewed_since_it_was_seen(two_fanout_nodes: FanoutNodes) -> None:
    """Whatever an earlier state of Redis has already told of that death."""
    talk = await two_fanout_nodes.talk()
    await talk.say(talk.devices[0], "first")
    await talk.everyone_received_everything()
    await last_words(two_fanout_nodes, talk, 2, talk.client)
    node = two_fanout_nodes.nodes[0].node
    now, dead = int(time.time() * 1000), uuid4().hex
    rows = node.database.collection(publish_outages.NAME)
    await node.recovery.on_node_dead(DeadNode(dead, now - 600_000))
    await eventually(lambda: rows.find_one({"looks": {"$gte": 1}}))
    await node.recovery.on_node_dead(DeadNode(dead, now - 600_000, now))
    for phone in talk.devices:
        await phone.receive("message:new", 2)
