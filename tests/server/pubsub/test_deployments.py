"""The bus on Sentinel and on a cluster with sharded pub/sub; both survive the death of a master."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from pathlib import Path
from time import perf_counter

import pytest
from redis.crc import key_slot

from server.pubsub.bus import Bus
from tests.harness.waiting import eventually
from tests.server.pubsub.deployments import SLOTS, cluster, say, sentinels
from tests.server.pubsub.receivers import TIMEOUT_SECONDS, Receiver, bus


class Restored:
    def __init__(self, of: Bus) -> None:
        self.names: set[str] = set()
        of.on_restored(self._restored)

    def _restored(self, names: Collection[str]) -> None:
        self.names |= set(names)


async def test_sentinel(tmp_path: Path) -> None:
    async with sentinels(tmp_path) as watched, bus(watched.url) as one, bus(watched.url) as other:
        receiver, restored = Receiver(), Restored(one)
        assert await one.subscribe("a", receiver)
        other.publish("a", b"1")
        await receiver.receive(1)
        await watched.master.killed()
        began = perf_counter()
        await eventually(lambda: "a" in restored.names and one.up and other.up)
        print(f"\nsentinel: whole again {perf_counter() - began:.1f} s after the master's death")
        async with watched.replica.client() as client:
            assert dict(await client.pubsub_numsub("a")) == {"a": 1}
        other.publish("a", b"2")
        assert await receiver.receive(2) == [b"1", b"2"]
        await other.redis.set("key", "value")
        assert await one.redis.get("key") == b"value"


@pytest.mark.soak
async def test_a_deposed_master_that_goes_on_answering_is_left(tmp_path: Path) -> None:
    async with sentinels(tmp_path) as watched, bus(watched.url) as one:
        receiver, restored = Receiver(), Restored(one)
        assert await one.subscribe("a", receiver)
        watched.master.freeze()

        async def deposed() -> None:
            async with watched.replica.client() as client:
                while (await client.info("replication"))["role"] != "master":  # noqa: ASYNC110
                    await asyncio.sleep(0.05)

        await asyncio.wait_for(deposed(), 20)
        watched.master.thaw()
        await eventually(lambda: "a" in restored.names and one.up)
        async with asyncio.timeout(TIMEOUT_SECONDS), watched.replica.client() as client:
            while dict(await client.pubsub_numsub("a")) != {"a": 1}:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        one.publish("a", b"x")
        await receiver.receive(1)


async def test_cluster(tmp_path: Path) -> None:
    async with cluster(tmp_path) as found, bus(found.url) as one, bus(found.url) as other:
        assert one.sharded
        assert one.up
        receivers = {f"spotter:{{room:{number}}}": Receiver() for number in range(60)}
        by_master: dict[int, set[str]] = {0: set(), 1: set(), 2: set()}
        for name in receivers:
            by_master[key_slot(name.encode()) * 3 // SLOTS].add(name)
        assert all(by_master.values())
        assert all(await asyncio.gather(*(one.subscribe(name, receiver) for name, receiver in receivers.items())))
        for name in receivers:
            other.publish(name, name.encode())
        for name, receiver in receivers.items():
            assert await receiver.receive(1) == [name.encode()]
        for number, master in enumerate(found.masters):
            async with master.client() as client:
                names = await client.pubsub_shardchannels()
                assert by_master[number] == {n for n in names if "room" in n}
        await other.redis.set("key", "value")


@pytest.mark.parametrize("kind", ["normal", "pubsub"])
async def test_a_cut_connection_to_one_master(tmp_path: Path, kind: str) -> None:
    async with cluster(tmp_path) as found, bus(found.url) as one:
        names = [f"spotter:{{room:{number}}}" for number in range(30)]
        restored, receiver = Restored(one), Receiver()
        await asyncio.gather(*(one.subscribe(name, receiver) for name in names))
        reconnects = one.counters.reconnects
        async with found.masters[1].client() as client:
            await client.execute_command("CLIENT", "KILL", "TYPE", kind, "SKIPME", "yes")  # type: ignore[no-untyped-call]
        await eventually(lambda: one.counters.reconnects > reconnects and one.up)
        there = {name for name in names if key_slot(name.encode()) * 3 // SLOTS == 1}
        assert restored.names == (there if kind == "pubsub" else set())


async def test_a_slot_that_moves(tmp_path: Path) -> None:
    """The old master ends the subscription and turns publishes away; both follow the slot."""
    async with cluster(tmp_path) as found, bus(found.url) as one, bus(found.url) as other:
        name = next(n for n in (f"spotter:{{{i}}}" for i in range(1000)) if key_slot(n.encode()) * 3 // SLOTS == 1)
        slot, receiver, restored, told = key_slot(name.encode()), Receiver(), Restored(one), asyncio.Event()
        await one.subscribe(name, receiver)
        other.on_publishing(told.set)
        async with found.masters[1].client() as old, found.masters[2].client() as new:
            source, target = await say(old, "CLUSTER", "MYID"), await say(new, "CLUSTER", "MYID")
            # Only who was importing takes the slot with a higher epoch: otherwise old gossip may take it away again.
            await say(new, "CLUSTER", "SETSLOT", slot, "IMPORTING", source)
            await say(old, "CLUSTER", "SETSLOT", slot, "MIGRATING", target)
        for master in (found.masters[2], found.masters[1], found.masters[0]):
            async with master.client() as client:
                await say(client, "CLUSTER", "SETSLOT", slot, "NODE", target)
        await eventually(lambda: name in restored.names)
        other.publish(name, b"1")
        if not receiver.received:
            # Turned away: whoever publishes is told to say it again.
            await asyncio.wait_for(told.wait(), TIMEOUT_SECONDS)
            other.publish(name, b"1")
        assert await receiver.receive(1) == [b"1"]


@pytest.mark.soak
async def test_a_master_of_the_cluster_dies(tmp_path: Path) -> None:
    async with cluster(tmp_path) as found, bus(found.url) as one, bus(found.url) as other:
        names = [f"spotter:{{room:{number}}}" for number in range(30)]
        there = {name for name in names if key_slot(name.encode()) * 3 // SLOTS == 0}
        restored = Restored(one)
        receivers = {name: Receiver() for name in names}
        await asyncio.gather(*(one.subscribe(name, receiver) for name, receiver in receivers.items()))
        await found.masters[0].killed()
        began = perf_counter()
        await eventually(lambda: restored.names == there and one.up and other.up)
        print(f"\ncluster: whole again {perf_counter() - began:.1f} s after a master's death")
        for name in names:
            other.publish(name, b"x")
        for receiver in receivers.values():
            await receiver.receive(1)
