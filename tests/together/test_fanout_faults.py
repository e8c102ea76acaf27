"""Redis dies, freezes, forgets, hangs up: people go on talking, and in the end everybody has received everything."""

from __future__ import annotations

import asyncio
from time import perf_counter

import pytest

from tests.together.fanout_nodes import ConversationDevices, ConversationTraffic, FanoutNodes

# 3 s are promised; tests allow three times as much.
WHOLE_WITHIN_SECONDS = 9.0


async def whole_again(
    fanout_nodes: FanoutNodes, chatter: ConversationTraffic, talk: ConversationDevices, what: str
) -> None:
    """From now on it takes less than 9 s until all have received what was said until now, and what is said after."""
    began = perf_counter()
    said = talk.head
    await asyncio.gather(
        *(phone.until(lambda phone: bool(h := talk.received(phone)) and h[-1] >= said) for phone in talk.devices)
    )
    took = perf_counter() - began
    print(f"\n{what}: every device holds every entry {took:.2f} s later; slowest send {talk.slowest:.2f} s")
    assert took < WHOLE_WITHIN_SECONDS
    await fanout_nodes.everything_stands()
    await chatter.said(20)
    await chatter.stop()
    await talk.everyone_received_everything()
    assert talk.slowest < 5


@pytest.mark.parametrize("down", [1.0, pytest.param(10.0, marks=pytest.mark.soak)])
async def test_redis_killed_and_restarted_empty_while_people_talk(two_fanout_nodes: FanoutNodes, down: float) -> None:
    talk = await two_fanout_nodes.talk()
    chatter = ConversationTraffic(talk)
    await chatter.said(20)
    await two_fanout_nodes.redis.killed()
    newcomer = await two_fanout_nodes.join(await two_fanout_nodes.people.another_device(talk.client), 1)
    talk.devices.append(newcomer)
    await chatter.said(50)
    await asyncio.sleep(down)
    await two_fanout_nodes.redis.start()
    await whole_again(two_fanout_nodes, chatter, talk, f"down for {down:.0f} s")
    for phone in talk.devices:
        await phone.receive("sync:required")
    assert (await newcomer.do("sync", {"cursors": {}}))["conversations"]


async def test_what_was_fetched_after_an_interruption_costs_no_race_either(two_fanout_nodes: FanoutNodes) -> None:
    talk = await two_fanout_nodes.talk()
    here, there = talk.devices[0], talk.devices[-1]
    for phone in (here, there):
        await talk.say(phone, "before")
        await talk.everyone_received_everything()
    await two_fanout_nodes.redis.killed()
    for count in range(3):
        await talk.say(there, f"not received {count}")
    await two_fanout_nodes.redis.start()
    await talk.everyone_received_everything()
    counters = two_fanout_nodes.nodes[0].node.store.log.appender.counters
    before = counters.lost_races
    await talk.say(here, "after")
    assert counters.lost_races == before


@pytest.mark.parametrize("kind", ["normal", "pubsub"])
async def test_one_kind_of_connection_cut_while_people_talk(two_fanout_nodes: FanoutNodes, kind: str) -> None:
    talk = await two_fanout_nodes.talk()
    chatter = ConversationTraffic(talk, pause=0.002)
    await chatter.said(20)
    async with two_fanout_nodes.redis.client() as client:
        for _ in range(5):
            await client.execute_command("CLIENT", "KILL", "TYPE", kind, "SKIPME", "yes")  # type: ignore[no-untyped-call]
            await chatter.said(20)
    await whole_again(two_fanout_nodes, chatter, talk, f"{kind} connections cut")
    assert all(running.node.bus.counters.reconnects > 0 for running in two_fanout_nodes.nodes)


async def test_the_last_words_before_a_publisher_is_cut(two_fanout_nodes: FanoutNodes) -> None:
    """Nothing follows that would show the gap: the heads are republished."""
    talk = await two_fanout_nodes.talk()
    await talk.say(talk.devices[0], "first")
    await talk.everyone_received_everything()
    publisher = two_fanout_nodes.nodes[0].node.bus._topology.route(b"")._publisher  # type: ignore[union-attr]
    publisher.abort()
    await talk.say(talk.devices[0], "last")
    began = perf_counter()
    await talk.everyone_received_everything()
    print(f"\nthe last word arrived {perf_counter() - began:.2f} s later")


@pytest.mark.parametrize("seconds", [3.0, pytest.param(10.0, marks=pytest.mark.soak)])
async def test_redis_frozen_while_people_talk(two_fanout_nodes: FanoutNodes, seconds: float) -> None:
    talk = await two_fanout_nodes.talk()
    chatter = ConversationTraffic(talk)
    await chatter.said(20)
    two_fanout_nodes.redis.freeze()
    try:
        began = perf_counter()
        await two_fanout_nodes.join(await two_fanout_nodes.people.make(), 0)
        connected = perf_counter() - began
        talk.devices.append(await two_fanout_nodes.join(await two_fanout_nodes.people.another_device(talk.trainer), 0))
        await chatter.said(50)
        await asyncio.sleep(max(0.0, seconds - (perf_counter() - began)))
    finally:
        two_fanout_nodes.redis.thaw()
    print(f"\nconnected in {connected:.2f} s while Redis was frozen")
    assert connected < 4.5
    await whole_again(two_fanout_nodes, chatter, talk, f"frozen for {seconds:.0f} s")


async def test_a_conversation_that_begins_while_redis_is_down(two_fanout_nodes: FanoutNodes) -> None:
    talk = await two_fanout_nodes.talk()
    await two_fanout_nodes.redis.killed()
    await talk.say(talk.devices[0], "not received elsewhere")
    await two_fanout_nodes.redis.start()
    await talk.everyone_received_everything()
    for phone in talk.devices:
        await phone.receive("conversation:new")
        assert [name for name, _ in phone.received if name != "sync:required"] == ["conversation:new", "message:new"]
