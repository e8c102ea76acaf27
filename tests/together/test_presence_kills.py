"""Processes that are killed and frozen: their people are seen leaving in time, by those entitled and nobody else."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from domain.wire.events import PRESENCE
from server.app import utc_now
from server.security.tokens import AccessTokens
from store.database import Database
from store.store import Store
from tests.harness.devices import device
from tests.harness.nodes import SECRET, running_node
from tests.harness.people import People, Person
from tests.harness.waiting import eventually
from tests.server.pubsub.redis_servers import RedisServer, redis_server
from tests.together.presence_nodes import CHANGED, changes, say, sees, watch, watcher
from tests.together.processes import Served, served

# Promised: within 15 s of a kill -9; tests assert three times as much.
WITHIN_SECONDS = 45.0


@dataclass
class Processes:
    """``doomed``: the node that is killed or frozen. ``urls``: of two others, which see it."""

    doomed: Served
    urls: list[str]
    people: People
    store: Store
    redis: RedisServer


async def durable(store: Store, person: Person) -> None:
    """Wait until it is stored when the person was last seen."""

    async def stored() -> object:
        return (await store.presences.last_seen([person.id]))[person.id]

    await eventually(stored, WITHIN_SECONDS)


@pytest.fixture
async def three_nodes(database: Database, database_url: str, tmp_path: Path) -> AsyncIterator[Processes]:
    """With a Redis that only they use; those that live on are in this process."""
    async with AsyncExitStack() as stack:
        redis = await stack.enter_async_context(redis_server(tmp_path / "redis"))
        doomed = await stack.enter_async_context(served(database_url, redis.url, tmp_path / "doomed"))
        urls = [
            (await stack.enter_async_context(running_node(database_url, redis.url, tmp_path / str(number)))).url
            for number in range(2)
        ]
        store = Store(database)
        yield Processes(doomed, urls, People(store, AccessTokens(SECRET), utc_now), store, redis)


async def test_the_people_of_a_killed_process_are_seen_leaving(three_nodes: Processes) -> None:
    client, trainer, _ = await three_nodes.people.pair(begun=True)
    staying, friend, _ = await three_nodes.people.pair(begun=True)
    outsider = await three_nodes.people.make("trainer")
    doomed, (second, third) = three_nodes.doomed, three_nodes.urls
    async with (
        watcher(second, trainer, client) as near,
        watcher(third, trainer, client) as far,
        watcher(second, friend, staying) as friendly,
        watcher(third, outsider, client, staying) as stranger,
        device(third, staying, (PRESENCE,)),
        device(doomed.url, staying, (PRESENCE,)),
        device(doomed.url, client, (PRESENCE,)) as phone,
    ):
        await say(phone, "online")
        for seeing in (near, far):
            await sees(seeing, client, "online")
        began = time.monotonic()
        await doomed.kill()
        for seeing in (near, far):
            await sees(seeing, client, "online", "offline", within=WITHIN_SECONDS)
        took = time.monotonic() - began
        print(f"seen leaving after {took:.1f} s")
        assert near.events(CHANGED)[-1]["lastSeenAt"] is not None
        await durable(three_nodes.store, client)
        # Another device elsewhere: nobody was told anything; nor was a stranger.
        assert (await watch(friendly, staying))[staying.id]["status"] == "online"
        assert changes(friendly, staying) == ["online"]
        assert await watch(stranger, client, staying) == {}
        assert stranger.events(CHANGED) == []
        assert (await three_nodes.store.presences.last_seen([staying.id]))[staying.id] is None


async def test_a_frozen_process_that_thaws_resurrects_nobody_wrongly(three_nodes: Processes) -> None:
    leaving, trainer, _ = await three_nodes.people.pair(begun=True)
    staying, friend, _ = await three_nodes.people.pair(begun=True)
    frozen, second = three_nodes.doomed, three_nodes.urls[0]
    async with (
        watcher(second, trainer, leaving) as seeing,
        watcher(second, friend, staying) as friendly,
        device(frozen.url, staying, (PRESENCE,)) as stays,
    ):
        async with device(frozen.url, leaving, (PRESENCE,)):
            await sees(seeing, leaving, "online")
            await sees(friendly, staying, "online")
            frozen.freeze()
            await sees(seeing, leaving, "online", "offline", within=WITHIN_SECONDS)
            await sees(friendly, staying, "online", "offline", within=WITHIN_SECONDS)
        frozen.thaw()
        # Who is still there comes back, who left meanwhile does not.
        await sees(friendly, staying, "online", "offline", "online", within=WITHIN_SECONDS)
        await say(stays, "away")
        await sees(friendly, staying, "online", "offline", "online", "away", within=WITHIN_SECONDS)
        assert (await watch(seeing, leaving))[leaving.id]["status"] == "offline"
        assert changes(seeing, leaving) == ["online", "offline"]
