"""Redis killed, emptied and frozen: nodes say what they know, and all is true again soon after its return."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from domain.events import PRESENCE
from server.presence import names
from tests.harness.devices import Device, device
from tests.server.fanout.redis_servers import RedisServer, redis_server
from tests.together.presence_stage import Fleet, changes, fleet, say, sees, watch, watcher


@dataclass
class Place:
    nodes: Fleet
    redis: RedisServer


@pytest.fixture
async def place(database_url: str, tmp_path: Path) -> AsyncIterator[Place]:
    """Two nodes with a Redis that only they use."""
    async with redis_server(tmp_path / "redis") as redis, fleet(database_url, redis.url, tmp_path) as nodes:
        yield Place(nodes, redis)


async def nothing_ends(phone: Device, seconds: float) -> None:
    """An interruption lasts, and no socket minds."""
    with suppress(TimeoutError):
        await asyncio.wait_for(phone.disconnected.wait(), seconds)
    assert not phone.disconnected.is_set()


async def registered(place: Place, *user_ids: str) -> None:
    """Wait until Redis knows the users again."""
    client = place.redis.client()
    async with client, asyncio.timeout(15):
        while not all([await client.hget(names.user(i), "s") for i in user_ids]):
            await asyncio.sleep(0.05)


async def test_redis_is_killed_and_comes_back_empty(place: Place) -> None:
    people = place.nodes.people
    here, there = place.nodes.urls
    staying, trainer, _ = await people.pair()
    leaving, changing, coming = [await people.make("client") for _ in range(3)]
    store = place.nodes.nodes[0].node.store
    for one in (leaving, changing, coming):
        await store.conversations.open(one.id, trainer.id, place.nodes.nodes[0].node.context.clock())
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
            await place.redis.killed()
            await nothing_ends(leaves, 2.0)
        async with device(here, coming, (PRESENCE,)):
            await say(changes_status, "away")
            # What this node knows itself it tells its own; the other holds what it knew last.
            await sees(near, changing, "online", "away")
            await sees(near, coming, "online")
            await sees(near, leaving, "online", "offline")
            told = await watch(far, staying, leaving, changing, coming)
            assert [told[one.id]["status"] for one in (staying, leaving, changing, coming)] == [
                "online", "online", "online", "offline",
            ]  # fmt: skip
            await place.redis.start()
            await sees(far, changing, "online", "away")
            await sees(far, coming, "online")
            await sees(far, leaving, "online", "offline")
        for phone in (near, far):
            await sees(phone, coming, "online", "offline")
            # Nobody who stayed was said to be gone in between.
            assert changes(phone, staying) == ["online"]
            assert changes(phone, changing) == ["online", "away"]


@pytest.mark.parametrize("what", ["emptied", "frozen", "restarted"])
async def test_nobody_notices_an_interruption(place: Place, what: str) -> None:
    client, trainer, _ = await place.nodes.people.pair()
    here, there = place.nodes.urls
    async with watcher(there, trainer, client) as seeing, device(here, client, (PRESENCE,)) as phone:
        await sees(seeing, client, "online")
        if what == "emptied":
            async with place.redis.client() as redis:
                await redis.flushall()
        elif what == "frozen":
            place.redis.freeze()
            await nothing_ends(phone, 10.0)
            place.redis.thaw()
        else:
            await place.redis.killed()
            await place.redis.start()
        # Longer than a lease: whoever would take over wrongly has done it.
        await nothing_ends(phone, 12.0)
        await registered(place, client.id)
        assert changes(seeing, client) == ["online"]
        await say(phone, "away")
        await sees(seeing, client, "online", "away")
