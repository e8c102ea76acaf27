"""One world a test process: nothing that a test does harms whom or what the other tests ask about."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import aiohttp
import pytest
from pymongo import AsyncMongoClient

from sandbox.server import Sandbox
from tests.authorisation.phones import Phones, phones_of
from tests.authorisation.world import World
from tests.bookings.market import Clock, Market
from tests.harness.databases import named, new_name
from tests.harness.nodes import running_node
from tests.harness.unread_errors import no_complaints


@pytest.fixture(scope="package")
async def shared_world(
    mongo_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[World]:
    name, clock, sandbox = new_name(), Clock(), Sandbox()
    async with AsyncExitStack() as stack:
        stack.push_async_callback(sandbox.stop)
        stripe = {"STRIPE_API_BASE": await sandbox.start()}
        running = await stack.enter_async_context(
            running_node(named(mongo_url, name), redis_url, tmp_path_factory.mktemp("world"), clock, **stripe)
        )
        http = await stack.enter_async_context(aiohttp.ClientSession())
        world = World(Market([running.node], [running.url], http, clock))
        await world.prepare()
        yield world
    client: AsyncMongoClient[dict[str, object]] = AsyncMongoClient(mongo_url)
    async with client:
        await client.drop_database(name)


@pytest.fixture
async def world(shared_world: World) -> AsyncIterator[World]:
    with no_complaints():
        yield shared_world


@pytest.fixture(scope="package")
async def shared_phones(shared_world: World) -> AsyncIterator[Phones]:
    async with phones_of(shared_world) as phones:
        yield phones


@pytest.fixture
def phones(shared_phones: Phones) -> Phones:
    return shared_phones
