"""Devices spread over nodes receive each entry once and in order; outsiders receive nothing."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from statistics import quantiles
from time import perf_counter

import pytest

from domain import rooms
from server.fanout import envelope
from server.fanout.subscriptions import channel
from tests.together.fanout_nodes import FanoutNodes, fanout_nodes


@pytest.fixture
async def three_fanout_nodes(database_url: str, tmp_path: Path) -> AsyncIterator[FanoutNodes]:
    async with fanout_nodes(database_url, tmp_path, 3) as made:
        yield made


async def test_all_devices_of_both_receive_each_entry_once_in_order(three_fanout_nodes: FanoutNodes) -> None:
    talk = await three_fanout_nodes.talk()
    stranger = await three_fanout_nodes.join(await three_fanout_nodes.people.make("trainer"), 1)
    for number, phone in enumerate(talk.devices):
        for count in range(5):
            await talk.say(phone, f"{number}-{count}")
    edited = talk.sent[3]["id"]
    await talk.devices[0].do("message:edit", {"messageId": edited, "text": "better"})
    talk.sent[talk.head + 1] = {}
    await talk.everyone_received_everything()
    for phone in talk.devices:
        assert talk.received(phone) == [*range(1, talk.head + 1)]
        assert phone.received[0][0] == "conversation:new"
        assert len(phone.events("conversation:new")) == 1
        assert phone.events("message:updated")[0]["message"]["text"] == "better"
        assert phone.events("sync:required") == []
    assert stranger.received == []


async def test_a_conversation_that_is_announced_again_late_is_not_new_again(three_fanout_nodes: FanoutNodes) -> None:
    """A node filled the first entry from the log, because the one that wrote it was slow."""
    talk = await three_fanout_nodes.talk()
    await talk.say(talk.devices[0], "first")
    await talk.everyone_received_everything()
    (told,) = talk.devices[0].events("conversation:new")
    packet = f'2/conversations,["conversation:new",{json.dumps(told)}]'.encode()
    async with three_fanout_nodes.redis.client() as redis:
        for person in (talk.client, talk.trainer):
            late = envelope.first_entry_event(b"the node", talk.id, packet)
            assert await redis.publish(channel(rooms.user(person.id)), late) == len(three_fanout_nodes.nodes)
    await talk.say(talk.devices[0], "second")
    await talk.everyone_received_everything()
    assert [len(phone.events("conversation:new")) for phone in talk.devices] == [1] * len(talk.devices)


async def test_who_answers_from_another_node_loses_no_race(three_fanout_nodes: FanoutNodes) -> None:
    """What a node receives of a conversation is where its next entry goes."""
    talk = await three_fanout_nodes.talk()
    for number in (0, -1):
        await talk.say(talk.devices[number], f"hello {number}")
    await talk.everyone_received_everything()
    appenders = [running.node.store.log.appender.counters for running in three_fanout_nodes.nodes]
    before = sum(counters.lost_races for counters in appenders)
    for count in range(10):
        for number in (0, -1):
            await talk.say(talk.devices[number], f"{number}-{count}")
            await talk.everyone_received_everything()
    assert talk.head == 22
    assert sum(counters.lost_races for counters in appenders) == before


async def test_two_nodes_write_one_conversation_at_full_speed(three_fanout_nodes: FanoutNodes) -> None:
    """Each message by itself is published by its writer; what arrives swapped is put in order."""
    talk = await three_fanout_nodes.talk()

    async def write(number: int) -> None:
        for count in range(0, 60, 3):
            await asyncio.gather(
                *(talk.say(talk.devices[number], f"{number}-{count + more}") for more in range(3))
            )

    await asyncio.gather(*(write(number) for number in range(len(talk.devices))))
    assert talk.head == 60 * len(talk.devices)
    await talk.everyone_received_everything()
    for phone in talk.devices:
        assert talk.received(phone)[0] == 1
        assert phone.received[0][0] == "conversation:new"
        assert phone.events("sync:required") == []


async def test_a_device_that_comes_later_receives_only_what_comes_later(three_fanout_nodes: FanoutNodes) -> None:
    """The first entry that a node receives of an old conversation is told apart from one that came too early."""
    talk = await three_fanout_nodes.talk()
    late = talk.devices.pop()
    await late.io.disconnect()
    for count in range(5):
        await talk.say(talk.devices[count % 2], f"before {count}")
    await talk.everyone_received_everything(talk.devices[:2])
    other_pair = await three_fanout_nodes.people.another_device(talk.trainer)
    newcomer = await three_fanout_nodes.join(other_pair, 2)
    for count in range(5):
        await talk.say(talk.devices[count % 2], f"after {count}")
    await talk.everyone_received_everything([newcomer])
    assert talk.received(newcomer) == [6, 7, 8, 9, 10]


async def test_receipts_and_typing_cross_nodes(three_fanout_nodes: FanoutNodes) -> None:
    talk = await three_fanout_nodes.talk()
    client, trainer = talk.devices[0], talk.devices[3]
    await talk.say(client, "a")
    await trainer.receive("message:new")
    await trainer.do("typing", {"conversationId": talk.id, "active": True})
    await client.receive("typing")
    await trainer.do("conversation:seen", {"conversationId": talk.id, "seq": 1})
    for phone in talk.devices:
        (seen,) = await phone.receive("conversation:seen")
        assert seen == {"conversationId": talk.id, "userId": talk.trainer.id, "seq": 1}


async def test_channels_go_with_their_last_member(three_fanout_nodes: FanoutNodes) -> None:
    for running in three_fanout_nodes.nodes:
        running.node.room_subscriptions._linger = 0.05
    talk = await three_fanout_nodes.talk()
    names = [channel(f"user:{person.id}") for person in (talk.client, talk.trainer)]

    async def listeners() -> list[int]:
        async with three_fanout_nodes.redis.client() as client:
            return [int(count) for _, count in await client.pubsub_numsub(*names)]

    assert await listeners() == [3, 3]
    await talk.devices[0].io.disconnect()
    async with asyncio.timeout(10):
        while await listeners() != [2, 3]:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    await asyncio.gather(*(phone.io.disconnect() for phone in talk.devices[1:]))
    async with asyncio.timeout(10):
        while await listeners() != [0, 0]:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert [running.node.room_subscriptions.count for running in three_fanout_nodes.nodes] == [0, 0, 0]


async def test_garbage_on_a_channel_is_ignored_and_counted(three_fanout_nodes: FanoutNodes) -> None:
    talk = await three_fanout_nodes.talk()
    async with three_fanout_nodes.redis.client() as client:
        for garbage in ("", "x", "\x01" * 31, '2/conversations,["message:new",{}]', "x" * 100_000):
            await client.publish(channel(f"user:{talk.client.id}"), garbage)
        await client.publish("spotter:{everyone}", "x")
    await talk.say(talk.devices[0], "a")
    await talk.everyone_received_everything()
    for running in three_fanout_nodes.nodes:
        assert running.node.delivery.counters.garbage == 6
    assert all(phone.events("sync:required") == [] for phone in talk.devices)


async def test_delivery_between_nodes_is_quick(three_fanout_nodes: FanoutNodes) -> None:
    """A figure rather than a promise: from the send on one node to the event on another."""
    talk = await three_fanout_nodes.talk()
    far = talk.devices[3]
    await talk.say(talk.devices[0], "first")
    took = []
    for count in range(200):
        began = perf_counter()
        sending = asyncio.create_task(talk.say(talk.devices[0], f"{count}"))
        await far.receive("message:new", count + 2)
        took.append((perf_counter() - began) * 1000)
        await sending
    cuts = quantiles(took, n=100)
    print(f"\nsent on one node, received on another: p50 {cuts[49]:.1f} ms, p99 {cuts[98]:.1f} ms")
    assert cuts[49] < 500
