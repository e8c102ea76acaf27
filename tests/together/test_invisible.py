"""Whoever hides is shown to nobody, and whoever ends it is, whatever becomes of sockets, nodes and Redis."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from socketio import packet

import server.sockets.typing
from domain.presence import Choice, Status
from domain.wire.events import CONVERSATIONS, PRESENCE
from server.app import utc_now
from server.presence import redis_scripts as names
from tests.faults.proxy import Proxy, proxy, redis_through
from tests.harness.call_gates import CallGate
from tests.harness.devices import Device, device
from tests.harness.nodes import running_node
from tests.harness.people import People, Person
from tests.harness.waiting import eventually
from tests.server.pubsub.redis_servers import RedisServer, redis_server
from tests.together.presence_nodes import CHANGED, Fleet, changes, fleet, say, sees, watch, watcher


@pytest.fixture
async def redis(tmp_path: Path) -> AsyncIterator[RedisServer]:
    """A Redis that only the test's nodes use."""
    async with redis_server(tmp_path / "redis") as server:
        yield server


@pytest.fixture
async def nodes_with_own_redis(database_url: str, redis: RedisServer, tmp_path: Path) -> AsyncIterator[Fleet]:
    async with fleet(database_url, redis.url, tmp_path) as nodes:
        yield nodes


async def held_by_both(redis: RedisServer, person: Person) -> None:
    """Wait until the person has a row of each node."""
    async with redis.client() as client:

        async def both() -> bool:
            fields: list[Any] = await client.hkeys(names.user(person.id))
            return len([name for name in fields if name.startswith("n:")]) == 2

        await eventually(both)


@asynccontextmanager
async def connecting(url: str, person: Person) -> AsyncIterator[asyncio.Task[Device]]:
    """A device on its way to ``/presence``, connected until the end."""
    async with AsyncExitStack() as stack:
        coming = asyncio.create_task(stack.enter_async_context(device(url, person, (PRESENCE,))))
        yield coming
        await coming


async def test_invisible_holds_for_the_person_on_all_devices(two_presence_nodes: Fleet) -> None:
    client, trainer, _ = await two_presence_nodes.people.pair(begun=True)
    here, there = two_presence_nodes.urls
    async with (
        watcher(here, trainer, client) as near,
        watcher(there, trainer, client) as far,
        device(here, client, (PRESENCE,)) as phone,
        device(here, client, (PRESENCE, CONVERSATIONS)) as tab,
        device(there, await two_presence_nodes.people.another_device(client), (PRESENCE,)) as laptop,
    ):
        expected = ["online"]
        for seeing in (near, far):
            await sees(seeing, client, *expected)
        for hiding, showing in ((phone, laptop), (laptop, tab), (tab, tab)):
            for one, status, seen in ((hiding, "invisible", "offline"), (showing, "online", "online")):
                await say(one, status)
                expected.append(seen)
                for seeing in (near, far):
                    await sees(seeing, client, *expected)
                # A device that comes is as invisible as those that are there.
                for url in two_presence_nodes.urls:
                    async with device(url, await two_presence_nodes.people.another_device(client), (PRESENCE,)) as new:
                        # What others see is what one sees of oneself.
                        assert (await watch(new, client))[client.id]["status"] == seen
                assert near.events(CHANGED)[-1]["status"] == seen


async def test_what_a_node_missed_it_reads_once_redis_is_back(two_presence_nodes: Fleet) -> None:
    """The person's choice is kept with the account; Redis carries it only."""
    client, trainer, _ = await two_presence_nodes.people.pair(begun=True)
    here, there = two_presence_nodes.urls
    first, second = (running.node for running in two_presence_nodes.nodes)
    async with (
        watcher(there, trainer, client) as seeing,
        device(here, client, (PRESENCE,)) as phone,
        device(there, client, (PRESENCE,)),
    ):
        await sees(seeing, client, "online")
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(first.bus, "publish", lambda channel, payload: None)
            await say(phone, "invisible")
        assert not second.presence.hides(client.id)
        second.room_subscriptions.resync()
        await sees(seeing, client, "online", "offline")
        # And Redis may come back empty: every node registers what it knows.
        await second.bus.redis.flushall()
        second.presence.registrar.register_all_again()
        await second.presence.registrar.flush()
        assert (await watch(seeing, client))[client.id]["status"] == "offline"


async def test_a_node_that_has_yet_to_receive_the_choice_shows_nobody(two_presence_nodes: Fleet) -> None:
    """A device has just connected there: it is registered with what its owner had chosen before."""
    client, trainer, _ = await two_presence_nodes.people.pair(begun=True)
    here, there = two_presence_nodes.urls
    first, second = (running.node for running in two_presence_nodes.nodes)
    async with watcher(here, trainer, client) as seeing, device(here, client, (PRESENCE,)) as phone:
        await sees(seeing, client, "online")
        second.presence.registrar.hold()
        async with device(there, await two_presence_nodes.people.another_device(client), (PRESENCE,)):
            with pytest.MonkeyPatch.context() as patched:
                patched.setattr(first.bus, "publish", lambda channel, payload: None)
                await say(phone, "invisible")
            await sees(seeing, client, "online", "offline")
            second.presence.registrar.release()
            await second.presence.registrar.flush()
            assert not second.presence.hides(client.id)
            # Watched elsewhere and read by whoever asks now, both after the write.
            async with watcher(here, trainer) as asking:
                assert (await watch(asking, client))[client.id]["status"] == "offline"
            second.room_subscriptions.resync()
            await eventually(lambda: second.presence.hides(client.id))
            await second.presence.registrar.flush()
            assert changes(seeing, client) == ["online", "offline"]
            await say(phone, "online")
            await sees(seeing, client, "online", "offline", "online")


async def test_a_choice_that_is_published_while_a_device_connects_elsewhere_is_received(
    two_presence_nodes: Fleet,
) -> None:
    """By whoever is not subscribed yet: what is read of the account comes after."""
    client, trainer, _ = await two_presence_nodes.people.pair(begun=True)
    here, there = two_presence_nodes.urls
    second = two_presence_nodes.nodes[1].node
    asked, released = asyncio.Event(), asyncio.Event()
    subscribe = second.bus.subscribe

    async def held(channel: str, receive: Callable[[bytes], None]) -> bool:
        if client.id in channel:
            asked.set()
            await released.wait()
        return await subscribe(channel, receive)

    async with watcher(there, trainer, client) as seeing, device(here, client, (PRESENCE,)) as phone:
        await sees(seeing, client, "online")
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(second.bus, "subscribe", held)
            async with connecting(there, await two_presence_nodes.people.another_device(client)) as laptop:
                await asked.wait()
                await say(phone, "invisible")
                await sees(seeing, client, "online", "offline")
                released.set()
                assert (await watch(await laptop, client))[client.id]["status"] == "offline"
                assert second.presence.hides(client.id)
                await second.presence.registrar.flushed(client.id)
                assert changes(seeing, client) == ["online", "offline"]


@pytest.mark.parametrize("says", ["invisible", "online"])
async def test_the_socket_closes_while_the_choice_is_stored(two_presence_nodes: Fleet, says: Status) -> None:
    """The command runs to its end, and what is stored holds on every node."""
    client, trainer, _ = await two_presence_nodes.people.pair(begun=True)
    here, there = two_presence_nodes.urls
    first = two_presence_nodes.nodes[0].node
    storing = CallGate(first.store.presences.choose, after=True)
    laptop = await two_presence_nodes.people.another_device(client)
    async with watcher(there, trainer, client) as seeing, device(there, laptop, (PRESENCE,)):
        await sees(seeing, client, "online")
        async with device(here, client, (PRESENCE,)) as phone:
            expected = ["online", "offline"]
            if says == "online":
                await say(phone, "invisible")
                await sees(seeing, client, *expected)
                expected.append("online")
            with pytest.MonkeyPatch.context() as patched:
                patched.setattr(first.store.presences, "choose", storing)
                await phone.io.emit("presence:set", {"status": says}, namespace=PRESENCE)
                await storing.entered.wait()
                await phone.io.disconnect()
                await eventually(lambda: not first.presence._device_of)
                storing.opened.set()
                await sees(seeing, client, *expected)


async def test_the_namespace_is_connected_once_more_while_the_choice_is_stored(two_presence_nodes: Fleet) -> None:
    """As by a program that calls ``connect`` twice: another connection of the same device."""
    client, trainer, _ = await two_presence_nodes.people.pair(begun=True)
    here, there = two_presence_nodes.urls
    async with (
        watcher(here, trainer, client) as near,
        watcher(there, trainer, client) as far,
        device(here, client, (PRESENCE,)) as phone,
        device(there, await two_presence_nodes.people.another_device(client), (PRESENCE,)) as laptop,
    ):
        for seeing in (near, far):
            await sees(seeing, client, "online")
        asking = asyncio.create_task(say(phone, "invisible"))
        await asyncio.sleep(0)
        again = packet.Packet(packet.CONNECT, data={"token": client.token}, namespace=PRESENCE)
        await phone.io._send_packet(again)
        await asking
        for seeing in (near, far):
            await sees(seeing, client, "online", "offline")
        await say(laptop, "online")
        for seeing in (near, far):
            await sees(seeing, client, "online", "offline", "online")


async def test_admitted_with_what_was_read_before_the_choice_ended(two_presence_nodes: Fleet) -> None:
    """The device that hid its owner connects while another ends it: it says what the newest choice says."""
    client, trainer, _ = await two_presence_nodes.people.pair(begun=True)
    here, there = two_presence_nodes.urls
    second = two_presence_nodes.nodes[1].node
    reading = CallGate(second.authenticator.authenticate, after=True)
    async with watcher(here, trainer, client) as seeing:
        async with device(here, client, (PRESENCE,)) as phone:
            await say(phone, "invisible")
        async with device(here, await two_presence_nodes.people.another_device(client), (PRESENCE,)) as tablet:
            with pytest.MonkeyPatch.context() as patched:
                patched.setattr(second.authenticator, "authenticate", reading)
                async with connecting(there, client) as coming:
                    await reading.entered.wait()
                    await say(tablet, "online")
                    await seeing.until(lambda seeing: changes(seeing, client)[-1:] == ["online"])
                    await eventually(lambda: second.presence.devices.choice(client.id).version == 2)
                    reading.opened.set()
                    await coming
                    assert second.presence.devices.status(client.id) == "online"


async def test_who_hides_by_what_a_connecting_device_brings_is_not_seen_typing(
    two_presence_nodes: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The node learns of the choice by reading the account, before it is published to it."""
    # It would end by itself as well.
    monkeypatch.setattr(server.sockets.typing, "ENDS_AFTER_SECONDS", 600.0)
    client, trainer, conversation = await two_presence_nodes.people.pair(begun=True)
    here, there = two_presence_nodes.urls
    first, second = (running.node for running in two_presence_nodes.nodes)
    async with (
        device(there, trainer) as other,
        device(here, client, (PRESENCE,)) as phone,
        device(there, await two_presence_nodes.people.another_device(client), (PRESENCE, CONVERSATIONS)) as laptop,
    ):
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(first.bus, "publish", lambda channel, payload: None)
            await laptop.do("typing", {"conversationId": conversation, "active": True})
            await other.receive("typing")
            await say(phone, "invisible")
        async with device(there, await two_presence_nodes.people.another_device(client), (PRESENCE,)):
            assert second.presence.hides(client.id)
            events = await other.receive("typing", 2)
            assert [event["active"] for event in events] == [True, False]


async def test_redis_is_away_and_another_node_holds_the_user(redis: RedisServer, nodes_with_own_redis: Fleet) -> None:
    """Whoever received the choice shows nobody, whatever the others have registered."""
    client, trainer, _ = await nodes_with_own_redis.people.pair(begun=True)
    here, there = nodes_with_own_redis.urls
    async with (
        watcher(here, trainer, client) as seeing,
        device(here, client, (PRESENCE,)) as phone,
        device(there, await nodes_with_own_redis.people.another_device(client), (PRESENCE,)),
    ):
        await sees(seeing, client, "online")
        await held_by_both(redis, client)
        await redis.killed()
        await say(phone, "invisible")
        await sees(seeing, client, "online", "offline")


async def test_the_node_that_hid_them_was_cut_off_from_redis_and_ends(
    database_url: str, redis: RedisServer, tmp_path: Path
) -> None:
    """Nobody else was told: those who take over read it."""
    async with AsyncExitStack() as stack:
        way: Proxy = await stack.enter_async_context(proxy(redis.url))
        living = await stack.enter_async_context(running_node(database_url, redis.url, tmp_path / "living"))
        doomed = AsyncExitStack()
        ending = await doomed.enter_async_context(running_node(database_url, redis_through(way), tmp_path / "ending"))
        people = People(living.node.store, living.node.tokens, utc_now)
        client, trainer, _ = await people.pair(begun=True)

        async with (
            watcher(living.url, trainer, client) as seeing,
            device(living.url, await people.another_device(client), (PRESENCE,)),
        ):
            async with device(ending.url, client, (PRESENCE,)) as phone:
                await sees(seeing, client, "online")
                await held_by_both(redis, client)
                way.refuse()
                await eventually(lambda: not ending.node.bus.up)
                await say(phone, "invisible")
                await doomed.aclose()
            # Within the fifteen seconds in which a dead node's people are taken over.
            await sees(seeing, client, "online", "offline", within=45.0)


@pytest.mark.verify
async def test_redis_comes_back_empty_and_the_other_node_is_first(
    redis: RedisServer, nodes_with_own_redis: Fleet
) -> None:
    """Chosen while Redis was away, and longer than a lease: the other node has yet to read it when it registers."""
    client, trainer, _ = await nodes_with_own_redis.people.pair(begun=True)
    here, there = nodes_with_own_redis.urls
    first, second = (running.node for running in nodes_with_own_redis.nodes)
    async with watcher(here, trainer, client) as seeing, device(here, client, (PRESENCE,)) as phone:
        await sees(seeing, client, "online")
        await redis.killed()
        async with device(there, await nodes_with_own_redis.people.another_device(client), (PRESENCE,)) as laptop:
            await say(phone, "invisible")
            await sees(seeing, client, "online", "offline")
            # The other node gives up waiting for what was chosen, and is first all the same.
            first.presence._timing = replace(first.presence._timing, notice_seconds=3.0)
            read, registered = second.presence._choices.read, asyncio.Event()

            async def late(user_ids: Collection[str]) -> dict[str, Choice]:
                await registered.wait()
                return await read(user_ids)

            second.presence._choices = replace(second.presence._choices, read=late)
            leases = [running.node.presence.lease for running in nodes_with_own_redis.nodes]
            await eventually(lambda: all(lease.deadline < time.time() * 1000 for lease in leases))
            assert not second.presence.hides(client.id)
            await redis.start()
            await held_by_both(redis, client)
            assert changes(seeing, client) == ["online", "offline"]
            registered.set()
            await say(laptop, "online")
            await sees(seeing, client, "online", "offline", "online")


@pytest.mark.verify
async def test_redis_comes_back_without_the_last_second(redis: RedisServer, nodes_with_own_redis: Fleet) -> None:
    """With the lease as it was confirmed last, as a replica that lagged by less than a renewal."""
    client, trainer, _ = await nodes_with_own_redis.people.pair(begun=True)
    here, there = nodes_with_own_redis.urls
    lease = nodes_with_own_redis.nodes[0].node.presence.lease
    async with (
        watcher(there, trainer, client) as far,
        watcher(here, trainer, client) as near,
        device(here, client, (PRESENCE,)) as phone,
    ):
        for seeing in (near, far):
            await sees(seeing, client, "online")
        while True:
            confirmed = lease.deadline
            async with redis.client() as client_of:
                await client_of.save()
            await say(phone, "invisible")
            for seeing in (near, far):
                await seeing.until(lambda seeing: changes(seeing, client)[-1] == "offline")
            await redis.killed()
            if lease.deadline == confirmed:
                break
            # A renewal came in between: again.
            await redis.start()
            await say(phone, "online")
            for seeing in (near, far):
                await seeing.until(lambda seeing: changes(seeing, client)[-1] == "online")
        before = changes(far, client)
        await redis.start()

        async def offline() -> bool:
            async with redis.client() as client_of:
                return bool(await client_of.hget(names.user(client.id), "s") == "offline")

        await eventually(offline)
        async with watcher(there, trainer) as asking:
            assert (await watch(asking, client))[client.id]["status"] == "offline"
        assert changes(far, client) == before


async def test_nobody_is_kept_who_connects_while_redis_is_frozen(
    redis: RedisServer, nodes_with_own_redis: Fleet
) -> None:
    client, _, _ = await nodes_with_own_redis.people.pair(begun=True)
    node = nodes_with_own_redis.nodes[0].node
    tablet = await nodes_with_own_redis.people.another_device(client)

    redis.freeze()
    try:
        async with asyncio.timeout(3 * 10.0):
            async with (
                device(nodes_with_own_redis.urls[0], client, (PRESENCE,)),
                device(nodes_with_own_redis.urls[0], tablet, (PRESENCE, CONVERSATIONS)),
            ):
                pass
    finally:
        redis.thaw()
    await eventually(lambda: node.room_subscriptions.count == 0 and not node.registry.users)
