"""A node and Stripe's sandbox for all runs; each has people of its own, with everything there may be between them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass

import aiohttp
import pytest
from pymongo import AsyncMongoClient

from sandbox.server import Sandbox
from tests.authorisation.world import World
from tests.bookings.market import Clock, Market
from tests.fuzzing.served import prompter
from tests.harness.databases import named, new_name
from tests.harness.nodes import running_node


@dataclass(frozen=True)
class Fuzzed:
    """``url`` of the server, ``prompter`` of what tells a run of Schemathesis who asks."""

    url: str
    prompter: str


@pytest.fixture(scope="package")
async def market(mongo_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Market]:
    name, clock, sandbox = new_name(), Clock(), Sandbox()
    async with AsyncExitStack() as stack:
        stack.push_async_callback(sandbox.stop)
        stripe = {"STRIPE_API_BASE": await sandbox.start()}
        running = await stack.enter_async_context(
            running_node(named(mongo_url, name), redis_url, tmp_path_factory.mktemp("node"), clock, **stripe)
        )
        http = await stack.enter_async_context(aiohttp.ClientSession())
        yield Market([running.node], [running.url], http, clock)
    client: AsyncMongoClient[dict[str, object]] = AsyncMongoClient(mongo_url)
    async with client:
        await client.drop_database(name)


@pytest.fixture
async def fuzzed(market: Market) -> AsyncIterator[Fuzzed]:
    """People of its own: a run leaves nothing as it was."""
    world = World(market)
    await world.prepare()
    async with prompter(world) as prompting:
        yield Fuzzed(market.urls[0], prompting)
