"""Two nodes for the whole folder; each test brings people of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import aiohttp
import pytest
from pymongo import AsyncMongoClient

from tests.bookings.market import Clock, Market
from tests.harness.databases import named, new_name
from tests.harness.nodes import running_node
from tests.harness.unread_errors import no_complaints


@pytest.fixture(scope="session")
async def shared_market(
    mongo_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Market]:
    name, clock = new_name(), Clock()
    folder = tmp_path_factory.mktemp("moderation")
    async with AsyncExitStack() as stack:
        nodes = [
            await stack.enter_async_context(
                running_node(named(mongo_url, name), redis_url, folder / str(number), clock)
            )
            for number in range(2)
        ]
        http = await stack.enter_async_context(aiohttp.ClientSession())
        yield Market([one.node for one in nodes], [one.url for one in nodes], http, clock)
    client: AsyncMongoClient[dict[str, object]] = AsyncMongoClient(mongo_url)
    async with client:
        await client.drop_database(name)


@pytest.fixture
async def market(shared_market: Market) -> AsyncIterator[Market]:
    with no_complaints():
        yield shared_market
