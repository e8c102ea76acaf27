"""Two nodes for the whole folder, with a clock of each test's own; each test brings people of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp
import pytest
from pymongo import AsyncMongoClient

from tests.bookings.market import Clock, Market
from tests.harness.databases import named, new_name
from tests.harness.nodes import running_node
from tests.harness.unread_errors import no_complaints
from tests.together.processes import served


@pytest.fixture(scope="session")
async def shared_market(
    mongo_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Market]:
    name, clock = new_name(), Clock()
    folder: Path = tmp_path_factory.mktemp("market")
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
async def market(shared_market: Market) -> Market:
    shared_market.clock.now = Clock().now
    return shared_market


@pytest.fixture
async def apart(market: Market, mongo_url: str, redis_url: str, tmp_path: Path) -> AsyncIterator[Market]:
    """The same market served by two processes of their own."""
    url = named(mongo_url, market.nodes[0].database.db.name)
    async with served(url, redis_url, tmp_path / "0") as one, served(url, redis_url, tmp_path / "1") as other:
        yield Market(market.nodes, [one.url, other.url], market.http, market.clock)


@pytest.fixture(autouse=True)
async def no_complaint() -> AsyncIterator[None]:
    """Whatever a background task raised and nobody read fails the test."""
    with no_complaints():
        yield
