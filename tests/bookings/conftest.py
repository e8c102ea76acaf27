"""Two nodes for the whole folder, with a clock of each test's own; each test brings people of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.bookings.market import Market, served_market
from tests.harness.clock import StandingClock
from tests.harness.databases import named
from tests.harness.unread_errors import no_complaints
from tests.together.processes import served


@pytest.fixture(scope="package")
async def shared_market(
    mongo_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Market]:
    async with served_market(mongo_url, redis_url, tmp_path_factory.mktemp("market")) as market:
        yield market


@pytest.fixture
async def market(shared_market: Market) -> Market:
    shared_market.clock.now = StandingClock().now
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
