"""The bus on one Redis server: what is published is received, and interruptions are told of."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Collection
from pathlib import Path

import pytest

from server.pubsub import bus as bus_module
from server.pubsub.addresses import RedisAddress, parse
from server.pubsub.bus import Bus
from server.pubsub.channels import PLAIN, Publishing
from server.pubsub.connection import ReconnectingConnection
from tests.harness.waiting import eventually
from tests.server.pubsub.receivers import TIMEOUT_SECONDS, Receiver, bus
from tests.server.pubsub.redis_servers import RedisServer, redis_server


@pytest.fixture
async def redis(tmp_path: Path) -> AsyncIterator[RedisServer]:
    async with redis_server(tmp_path / "redis") as server:
        yield server


@pytest.fixture
async def one_bus(redis: RedisServer) -> AsyncIterator[Bus]:
    async with bus(redis.url) as made:
        yield made


@pytest.fixture
async def other_bus(redis: RedisServer) -> AsyncIterator[Bus]:
    async with bus(redis.url) as made:
        yield made


# 3 s are promised; tests allow three times as much.
WHOLE_WITHIN_SECONDS = 9.0


class Restorations:
    def __init__(self, of: Bus) -> None:
        self.told: list[set[str]] = []
        self.event = asyncio.Event()
        of.on_restored(self._restored)

    def _restored(self, names: Collection[str]) -> None:
        self.told.append(set(names))
        self.event.set()


async def test_every_listener_receives_in_order(one_bus: Bus, other_bus: Bus) -> None:
    here, there, elsewhere = Receiver(), Receiver(), Receiver()
    assert one_bus.up
    assert one_bus.node != other_bus.node
    assert await one_bus.subscribe("a", here)
    assert await other_bus.subscribe("a", there)
    assert await other_bus.subscribe("b", elsewhere)
    sent = [b"%d\r\n" % number for number in range(1000)]
    for payload in sent:
        one_bus.publish("a", payload)
    assert await here.receive(1000) == sent
    assert await there.receive(1000) == sent
    assert elsewhere.received == []
    assert one_bus.counters.failures == 0


async def test_nothing_is_received_after_unsubscribing(one_bus: Bus, other_bus: Bus, redis: RedisServer) -> None:
    receiver, again = Receiver(), Receiver()
    await one_bus.subscribe("a", receiver)
    one_bus.unsubscribe("a")
    assert await one_bus.subscribe("a", again)
    other_bus.publish("a", b"x")
    await again.receive(1)
    one_bus.unsubscribe("a")
    one_bus.unsubscribe("never")
    async with redis.client() as client:
        while dict(await client.pubsub_numsub("a"))["a"]:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
    assert receiver.received == []


async def test_ten_thousand_channels(one_bus: Bus, other_bus: Bus) -> None:
    receiver = Receiver()
    before = time.perf_counter()
    await asyncio.gather(*(one_bus.subscribe(f"room:{number}", receiver) for number in range(9_999)))
    # The last stands when all of them do.
    await one_bus.subscribe("room:9999", receiver)
    took = time.perf_counter() - before
    print(f"\n10,000 channels in {took:.2f} s")
    assert took < 9
    assert one_bus.up
    other_bus.publish("room:7777", b"x")
    assert await receiver.receive(1) == [b"x"]


@pytest.mark.parametrize("kind", ["normal", "pubsub"])
async def test_one_connection_cut(one_bus: Bus, other_bus: Bus, redis: RedisServer, kind: str) -> None:
    receiver = Receiver()
    restored = Restorations(one_bus)
    published, epoch = asyncio.Event(), one_bus.epoch
    one_bus.on_publishing(published.set)
    await one_bus.subscribe("a", receiver)
    async with redis.client() as client:
        await client.execute_command("CLIENT", "KILL", "TYPE", kind, "SKIPME", "yes")  # type: ignore[no-untyped-call]
    await asyncio.wait_for((published if kind == "normal" else restored.event).wait(), 9)
    assert restored.told == ([] if kind == "normal" else [{"a"}])
    assert (one_bus.epoch > epoch) is (kind == "normal")
    assert published.is_set() is (kind == "normal")
    await eventually(lambda: one_bus.up and other_bus.up)
    other_bus.publish("a", b"from the other")
    one_bus.publish("a", b"from oneself")
    assert sorted(await receiver.receive(2)) == [b"from oneself", b"from the other"]


async def test_killed_and_back_empty(one_bus: Bus, redis: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    early, late = Receiver(), Receiver()
    restored = Restorations(one_bus)
    assert await one_bus.subscribe("early", early)
    await redis.killed()
    await eventually(lambda: not one_bus.up)
    with monkeypatch.context() as patch:
        # No answer is waited for of what is known to be away.
        patch.setattr(bus_module, "ANSWER_WITHIN_SECONDS", 600.0)
        async with asyncio.timeout(TIMEOUT_SECONDS):
            assert not await one_bus.subscribe("late", late)
    one_bus.publish("early", b"lost")
    # At once, or with the loss of the other connection.
    await eventually(lambda: one_bus.counters.failures >= 1)
    await redis.start()
    began = time.perf_counter()
    await asyncio.wait_for(restored.event.wait(), 9)
    assert restored.told == [{"early", "late"}]
    await eventually(lambda: one_bus.up)
    print(f"\nup again {time.perf_counter() - began:.2f} s after Redis")
    one_bus.publish("early", b"1")
    one_bus.publish("late", b"2")
    assert (await early.receive(1), await late.receive(1)) == ([b"1"], [b"2"])


async def test_frozen(one_bus: Bus, redis: RedisServer) -> None:
    """Nothing hangs: a subscription is given up after a second, and the canary ends the connections."""
    receiver = Receiver()
    restored = Restorations(one_bus)
    await one_bus.subscribe("a", receiver)
    redis.freeze()
    began = time.perf_counter()
    assert not await one_bus.subscribe("b", receiver)
    assert time.perf_counter() - began < 3
    await eventually(lambda: not one_bus.up)
    assert time.perf_counter() - began < 9
    redis.thaw()
    began = time.perf_counter()
    await asyncio.wait_for(restored.event.wait(), 9)
    print(f"\nreceives again {time.perf_counter() - began:.2f} s after the thaw")
    assert restored.told == [{"a", "b"}]
    await eventually(lambda: one_bus.up)
    one_bus.publish("b", b"x")
    await receiver.receive(1)


async def test_subscriptions_that_are_refused_for_a_while(one_bus: Bus, redis: RedisServer) -> None:
    """A server that loads its users, or whose operator mistook a right: the connection stands, and receives nothing."""
    receiver, restorations = Receiver(), Restorations(one_bus)
    assert await one_bus.subscribe("a", receiver)
    async with redis.client() as client:
        await client.execute_command("ACL", "SETUSER", "default", "-subscribe")  # type: ignore[no-untyped-call]
        await client.execute_command("CLIENT", "KILL", "TYPE", "pubsub")  # type: ignore[no-untyped-call]
        await eventually(lambda: client.acl_log())
        async with asyncio.timeout(WHOLE_WITHIN_SECONDS):
            assert not await one_bus.subscribe("b", Receiver())
        await client.execute_command("ACL", "SETUSER", "default", "+subscribe")  # type: ignore[no-untyped-call]
        await eventually(lambda: one_bus.up and set().union(*restorations.told) == {"a", "b"}, WHOLE_WITHIN_SECONDS)
    one_bus.publish("a", b"x")
    assert await receiver.receive(1) == [b"x"]


async def test_one_subscription_that_is_refused_beside_others(one_bus: Bus, redis: RedisServer) -> None:
    """On a connection that stands, and goes on confirming what is asked for later."""
    refused, granted, restorations = Receiver(), Receiver(), Restorations(one_bus)
    async with redis.client() as client:
        await client.execute_command("ACL", "SETUSER", "default", "resetchannels", "&spotter:*", "&granted")  # type: ignore[no-untyped-call]
        assert not await one_bus.subscribe("refused", refused)
        assert await one_bus.subscribe("granted", granted)
        # Whoever is whole again does not wait for it; nor is the connection given up for it.
        await client.execute_command("CLIENT", "KILL", "TYPE", "pubsub")  # type: ignore[no-untyped-call]
        async with asyncio.timeout(WHOLE_WITHIN_SECONDS):
            await restorations.event.wait()
        assert restorations.told == [{"granted"}]
        assert one_bus.counters.reconnects == 1
        restorations.event.clear()
        await client.execute_command("ACL", "SETUSER", "default", "allchannels")  # type: ignore[no-untyped-call]
        async with asyncio.timeout(WHOLE_WITHIN_SECONDS):
            await restorations.event.wait()
    assert restorations.told == [{"granted"}, {"refused"}]
    assert one_bus.counters.reconnects == 1
    one_bus.publish("refused", b"x")
    assert await refused.receive(1) == [b"x"]


async def test_without_redis_from_the_start(redis: RedisServer) -> None:
    await redis.killed()
    async with bus(redis.url) as made:
        receiver = Receiver()
        restored = Restorations(made)
        assert not made.up
        assert not await made.subscribe("a", receiver)
        made.unsubscribe("a")
        assert not await made.subscribe("b", receiver)
        await redis.start()
        await asyncio.wait_for(restored.event.wait(), 9)
        assert restored.told == [{"b"}]


async def test_a_password_and_a_database(tmp_path: Path) -> None:
    async with redis_server(tmp_path / "locked", "--protected-mode", "no") as server:
        async with server.client() as client:
            await client.config_set("requirepass", "s3cret")
        async with bus(f"redis://:s3cret@127.0.0.1:{server.port}/3") as made:
            receiver = Receiver()
            assert await made.subscribe("a", receiver)
            made.publish("a", b"x")
            await receiver.receive(1)
            assert await made.redis.ping()
        async with bus(f"redis://:wrong@127.0.0.1:{server.port}/3") as refused:
            assert not refused.up


async def test_a_fault_of_one_receiver_is_its_own(one_bus: Bus) -> None:
    def broken(_: bytes) -> None:
        raise RuntimeError

    receiver = Receiver()
    await one_bus.subscribe("broken", broken)
    await one_bus.subscribe("a", receiver)
    one_bus.publish("broken", b"x")
    one_bus.publish("a", b"x")
    await receiver.receive(1)
    assert one_bus.up


@pytest.mark.parametrize("kind", ["normal", "pubsub"])
async def test_a_fault_of_one_who_is_told_of_a_return_is_its_own(one_bus: Bus, redis: RedisServer, kind: str) -> None:
    """The others are told all the same, and the connection is made again after this loss and after the next."""

    def broken(*_: object) -> None:
        raise RuntimeError("somebody's words")

    one_bus.on_publishing(broken)
    one_bus.on_restored(broken)
    restored, published, receiver = Restorations(one_bus), asyncio.Semaphore(0), Receiver()
    one_bus.on_publishing(published.release)
    await one_bus.subscribe("a", receiver)
    for _ in range(2):
        async with redis.client() as client:
            await client.execute_command("CLIENT", "KILL", "TYPE", kind, "SKIPME", "yes")  # type: ignore[no-untyped-call]
        async with asyncio.timeout(9):
            if kind == "normal":
                await published.acquire()
            else:
                await restored.event.wait()
                restored.event.clear()
    await eventually(lambda: one_bus.up)
    one_bus.publish("a", b"x")
    assert await receiver.receive(1) == [b"x"]


async def test_the_owner_of_a_connection_may_fail_in_anything(redis: RedisServer) -> None:
    """Whatever is raised while a connection is found, made, taken up or given up: another is made."""
    faults = ["locate", "make", "up", "down", "failed"] * 2
    stood: asyncio.Queue[Publishing] = asyncio.Queue()

    def fault(of: str) -> None:
        if of in faults:
            faults.remove(of)
            raise RuntimeError("somebody's words")

    async def locate() -> RedisAddress:
        fault("locate")
        return parse(redis.url).endpoint

    def make() -> Publishing:
        fault("make")
        return Publishing(PLAIN, lambda channel, reason: None)

    def up(connection: Publishing) -> None:
        stood.put_nowait(connection)
        fault("up")

    line = ReconnectingConnection(locate, make, up, lambda connection: fault("down"), lambda: fault("failed"))
    line.start()
    try:
        async with asyncio.timeout(15):
            while faults:
                (await stood.get()).abort()
            await stood.get()
        assert line.connection is not None
    finally:
        await line.stop()
