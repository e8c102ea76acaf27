"""Revocations between real processes: Redis stops answering, a node is frozen, the workers of one port."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import aiohttp
from redis.asyncio import Redis

from server import embedded
from server.app import utc_now
from server.security.tokens import AccessTokens
from store.database import Database
from store.store import Store
from tests.harness.light_sockets import all_gone, open_sockets
from tests.harness.nodes import SECRET, RunningNode, running_node
from tests.harness.people import People, Person
from tests.together.processes import Served, served
from tests.together.revocation_nodes import DEAD_REDIS, WITHIN_SECONDS


@asynccontextmanager
async def people_of(database_url: str) -> AsyncIterator[People]:
    database = Database(database_url)
    try:
        yield People(Store(database), AccessTokens(SECRET), utc_now)
    finally:
        database.close()


@asynccontextmanager
async def two(database_url: str, redis_url: str, data: Path) -> AsyncIterator[tuple[RunningNode, Served, People]]:
    """This process and another."""
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(running_node(database_url, redis_url, data / "first"))
        second = await stack.enter_async_context(served(database_url, redis_url, data / "second"))
        yield first, second, await stack.enter_async_context(people_of(database_url))


async def logout(node: Served | RunningNode, person: Person) -> None:
    headers = {"Authorization": f"Bearer {person.token}"}
    async with aiohttp.ClientSession() as http, http.post(f"{node.url}/v1/auth/logout", headers=headers) as answer:
        assert answer.status == 204, await answer.text()


async def test_a_frozen_node_cuts_at_once_when_it_thaws(database_url: str, tmp_path: Path) -> None:
    async with two(database_url, DEAD_REDIS, tmp_path) as (first, second, people):
        person, other = await people.make(), await people.make()
        async with open_sockets(second.url, [person.token, other.token]) as (cut, kept):
            second.freeze()
            try:
                await logout(first, person)
                assert not cut.gone.done()
            finally:
                second.thaw()
            await all_gone([cut], WITHIN_SECONDS)
            assert cut.told("session:revoked") == [{"reason": "logout"}]
            assert await kept.is_usable()


async def test_redis_falls_silent_meanwhile(database_url: str, tmp_path: Path) -> None:
    async with AsyncExitStack() as stack, embedded.servers(tmp_path / "redis", mongo=False) as urls:
        assert urls.redis_url is not None
        first, second, people = await stack.enter_async_context(two(database_url, urls.redis_url, tmp_path))
        persons = [await people.make() for _ in range(3)]
        lights = await stack.enter_async_context(open_sockets(second.url, [person.token for person in persons]))
        await logout(first, persons[0])
        await all_gone([lights[0]], WITHIN_SECONDS)
        await freeze_redis(urls.redis_url)
        await logout(first, persons[1])
        await all_gone([lights[1]], WITHIN_SECONDS)
        assert await lights[2].is_usable()


async def freeze_redis(url: str) -> None:
    """It accepts connections and answers nobody: worse than being gone, and its daemon does not start another."""
    async with Redis.from_url(url) as client:
        await client.execute_command("CLIENT", "PAUSE", "60000", "ALL")  # type: ignore[no-untyped-call]


async def test_workers_of_one_port_cut_each_others_sockets(database_url: str, tmp_path: Path) -> None:
    async with served(database_url, DEAD_REDIS, tmp_path, WORKERS="2") as node, people_of(database_url) as people:
        person, other = await people.make(), await people.make()
        # So many that the kernel gives each worker some.
        tokens = [person.token] * 16 + [other.token] * 16
        async with open_sockets(node.url, tokens) as lights:
            await logout(node, person)
            await all_gone(lights[:16], WITHIN_SECONDS)
            assert all(await asyncio.gather(*(light.is_usable() for light in lights[16:])))
