"""Redis killed, emptied and frozen: nodes answer from what they have, and all is true again soon after its return."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from bson import ObjectId

from domain.wire.events import CONVERSATIONS, PRESENCE
from server.app import utc_now
from server.cluster.lease import STANDARD
from server.presence import redis_scripts as names
from tests.harness.devices import Device, device
from tests.harness.waiting import eventually
from tests.server.pubsub.redis_servers import RedisServer, redis_server
from tests.together.presence_nodes import Fleet, changes, fleet, say, sees, watch, watcher

# What a lease lasts, and then some: as soon as after a kill (15 s), three times over.
WITHIN_SECONDS = 45.0


@dataclass
class PresenceDeployment:
    nodes: Fleet
    redis: RedisServer


@pytest.fixture
async def deployment(database_url: str, tmp_path: Path) -> AsyncIterator[PresenceDeployment]:
    """Two nodes with a Redis that only they use."""
    async with redis_server(tmp_path / "redis") as redis, fleet(database_url, redis.url, tmp_path) as nodes:
        yield PresenceDeployment(nodes, redis)


async def nothing_ends(phone: Device, seconds: float) -> None:
    """An interruption lasts, and no socket minds."""
    with suppress(TimeoutError):
        await asyncio.wait_for(phone.disconnected.wait(), seconds)
    assert not phone.disconnected.is_set()


async def registered(deployment: PresenceDeployment, user_id: str) -> None:
    """Wait until Redis knows the user again."""
    async with deployment.redis.client() as redis:
        await eventually(lambda: redis.hget(names.user(user_id), "s"))


async def test_redis_is_killed_and_comes_back_empty(deployment: PresenceDeployment) -> None:
    people = deployment.nodes.people
    here, there = deployment.nodes.urls
    staying, trainer, _ = await people.pair(begun=True)
    leaving, changing, coming = [await people.make("client") for _ in range(3)]
    for one in (leaving, changing, coming):
        await people.acquaint(one.id, trainer.id)
    async with (
        watcher(here, trainer, staying, leaving, changing, coming) as near,
        watcher(there, trainer, staying, leaving, changing, coming) as far,
        device(here, staying, (PRESENCE,)),
        device(here, changing, (PRESENCE,)) as changes_status,
    ):
        async with device(here, leaving, (PRESENCE,)) as leaves:
            for phone in (near, far):
                for one in (staying, leaving, changing):
                    await sees(phone, one, "online")
            await deployment.redis.killed()
            await nothing_ends(leaves, 2.0)
        async with device(here, coming, (PRESENCE,)):
            await say(changes_status, "away")
            # What this node has itself it publishes to its own; the other holds what it received last.
            await sees(near, changing, "online", "away")
            await sees(near, coming, "online")
            await sees(near, leaving, "online", "offline")
            told = await watch(far, staying, leaving, changing, coming)
            assert [told[one.id]["status"] for one in (staying, leaving, changing, coming)] == [
                "online", "online", "online", "offline",
            ]  # fmt: skip
            await deployment.redis.start()
            began = time.monotonic()
            await sees(far, changing, "online", "away")
            await sees(far, coming, "online")
            there_again = time.monotonic() - began
            await sees(far, leaving, "online", "offline")
            print(f"true again after {there_again:.1f} s, of those who left {time.monotonic() - began:.1f} s")
        for phone in (near, far):
            await sees(phone, coming, "online", "offline")
            # Nobody who stayed was said to be gone in between.
            assert changes(phone, staying) == ["online"]
            assert changes(phone, changing) == ["online", "away"]


async def test_who_leaves_while_redis_is_frozen_leaves_nothing(deployment: PresenceDeployment) -> None:
    client, trainer, _ = await deployment.nodes.people.pair(begun=True)
    here, _ = deployment.nodes.urls
    node = deployment.nodes.nodes[0].node

    async def is_watched() -> bool:
        return node.presence.watches.users > 0

    async def is_forgotten() -> bool:
        async with deployment.redis.client() as redis:
            channels = await redis.pubsub_channels("{presence*")
        at_rest = not node.presence.registrar.pending and not node.presence.devices.users
        return at_rest and not channels and not await is_watched()

    async with watcher(here, trainer) as phone:
        deployment.redis.freeze()
        asking = asyncio.create_task(watch(phone, client))
        await eventually(is_watched)
        await phone.io.disconnect()
        deployment.redis.thaw()
        await asyncio.wait([asking])
        assert asking.exception() is not None
    await eventually(is_forgotten)
    async with watcher(here, trainer, client) as again:
        async with device(here, client, (PRESENCE,)):
            await sees(again, client, "online")
        await sees(again, client, "online", "offline")
    await eventually(is_forgotten)
    assert node.audience.watched == 0


@pytest.mark.parametrize(
    "what", ["emptied", *(pytest.param(what, marks=pytest.mark.verify) for what in ("frozen", "restarted"))]
)
async def test_nobody_notices_an_interruption(deployment: PresenceDeployment, what: str) -> None:
    client, trainer, _ = await deployment.nodes.people.pair(begun=True)
    here, there = deployment.nodes.urls
    async with watcher(there, trainer, client) as seeing, device(here, client, (PRESENCE,)) as phone:
        await sees(seeing, client, "online")
        # Each node has somebody whom the other watches: whichever is the first to be back, nobody takes over.
        assert (await watch(phone, trainer))[trainer.id]["status"] == "online"
        if what == "emptied":
            async with deployment.redis.client() as redis:
                await redis.flushall()
        elif what == "frozen":
            deployment.redis.freeze()
            await nothing_ends(phone, 10.0)
            deployment.redis.thaw()
        else:
            await deployment.redis.killed()
            await deployment.redis.start()
        # Longer than a lease: whoever would take over wrongly has done it.
        await nothing_ends(phone, 12.0)
        await registered(deployment, client.id)
        assert changes(seeing, client) == ["online"]
        assert changes(phone, trainer) == []
        await say(phone, "away")
        await sees(seeing, client, "online", "away")


async def test_redis_freezes_while_somebody_is_to_be_forgotten(deployment: PresenceDeployment) -> None:
    """Nobody waits for its return who says something in the moment before it is noticed."""
    here = deployment.nodes.urls[0]
    client, trainer, conversation_id = await deployment.nodes.people.pair(begun=True)
    async with watcher(here, trainer, client) as seeing, device(here, client, (CONVERSATIONS, PRESENCE)) as phone:
        await sees(seeing, client, "online")
        deployment.redis.freeze()
        try:
            # One who left in that moment: registered elsewhere no more, and not yet off this node's list.
            deployment.nodes.nodes[0].node.presence.registrar.forget_later(str(ObjectId()))
            async with asyncio.timeout(6):
                await say(phone, "away")
                await phone.send(conversation_id, "after")
            await sees(seeing, client, "online", "away")
        finally:
            deployment.redis.thaw()


@pytest.mark.parametrize("since", [0.5, pytest.param(12.0, marks=pytest.mark.soak)])
async def test_redis_comes_back_with_what_it_knew_before(deployment: PresenceDeployment, since: float) -> None:
    """A snapshot, or a replica that lagged behind: all leases stand in it, and so does who has left since."""
    people, (here, there) = deployment.nodes.people, deployment.nodes.urls
    leaving, trainer, _ = await people.pair(begun=True)
    coming, changing = [await people.make("client") for _ in range(2)]
    for one in (coming, changing):
        await people.acquaint(one.id, trainer.id)
    async with (
        watcher(there, trainer, leaving, coming, changing) as far,
        device(here, changing, (PRESENCE,)) as changes_status,
    ):
        async with device(here, leaving, (PRESENCE,)):
            await sees(far, leaving, "online")
            await sees(far, changing, "online")
            async with deployment.redis.client() as redis:
                await redis.save()
        await sees(far, leaving, "online", "offline")
        await say(changes_status, "away")
        async with device(here, coming, (PRESENCE,)):
            await sees(far, coming, "online")
            # Every node has renewed its lease since.
            await asyncio.sleep(STANDARD.renew_seconds + since)
            await deployment.redis.killed()
            await deployment.redis.start()
            expected = {leaving.id: "offline", coming.id: "online", changing.id: "away"}

            async def known() -> bool:
                async with deployment.redis.client() as redis:
                    found = [await redis.hget(names.user(user_id), "s") for user_id in expected]
                return found == [*expected.values()]

            await eventually(known, WITHIN_SECONDS)

            async def true(url: str) -> bool:
                async with watcher(url, trainer) as fresh:
                    found = await watch(fresh, leaving, coming, changing)
                return {user_id: view["status"] for user_id, view in found.items()} == expected

            for url in (here, there):
                await eventually(partial(true, url))
            await far.until(
                lambda phone: [changes(phone, one)[-1] for one in (leaving, coming, changing)] == [*expected.values()]
            )


async def was_seen(deployment: PresenceDeployment, user_id: str) -> bool:
    """MongoDB knows when, as every node reads it."""
    seen = (await deployment.nodes.nodes[1].node.store.presences.last_seen([user_id]))[user_id]
    return seen is not None and utc_now() - seen < timedelta(minutes=1)


async def test_who_was_here_when_a_node_ends_without_redis_was_seen(deployment: PresenceDeployment) -> None:
    people, here = deployment.nodes.people, deployment.nodes.urls[0]
    client, trainer, _ = await people.pair(begun=True)
    async with watcher(here, trainer, client) as seeing, device(here, client, (PRESENCE,)):
        await sees(seeing, client, "online")
        await deployment.redis.killed()
        await deployment.nodes.nodes[0].node.stop()
    assert await was_seen(deployment, client.id)


async def test_who_came_without_redis_was_seen_when_the_node_ends(deployment: PresenceDeployment) -> None:
    """The user was never written to Redis: no other node knows."""
    people, here = deployment.nodes.people, deployment.nodes.urls[0]
    client, trainer, _ = await people.pair(begun=True)
    async with watcher(here, trainer, client) as seeing:
        await deployment.redis.killed()
        async with device(here, client, (PRESENCE,)):
            await sees(seeing, client, "online")
            await deployment.nodes.nodes[0].node.stop()
    assert await was_seen(deployment, client.id)


async def test_who_came_and_left_without_redis_was_seen(deployment: PresenceDeployment) -> None:
    people, here = deployment.nodes.people, deployment.nodes.urls[0]
    client, trainer, _ = await people.pair(begun=True)
    async with watcher(here, trainer, client) as seeing:
        await deployment.redis.killed()
        async with device(here, client, (PRESENCE,)):
            await sees(seeing, client, "online")
        await sees(seeing, client, "online", "offline")
        await deployment.redis.start()
        await eventually(partial(was_seen, deployment, client.id))


async def test_who_is_invisible_when_a_node_ends_without_redis_was_not_seen(deployment: PresenceDeployment) -> None:
    people, here = deployment.nodes.people, deployment.nodes.urls[0]
    client, _, _ = await people.pair(begun=True)
    async with device(here, client, (PRESENCE,)) as phone:
        await say(phone, "invisible")
        await eventually(partial(was_seen, deployment, client.id))
        said = (await deployment.nodes.nodes[1].node.store.presences.last_seen([client.id]))[client.id]
        await deployment.redis.killed()
        await deployment.nodes.nodes[0].node.stop()
    assert (await deployment.nodes.nodes[1].node.store.presences.last_seen([client.id]))[client.id] == said
