"""Two nodes for the whole folder; each test brings people of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.bookings.market import Market, served_market
from tests.harness.unread_errors import no_complaints


@pytest.fixture(scope="package")
async def shared_market(
    mongo_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Market]:
    async with served_market(mongo_url, redis_url, tmp_path_factory.mktemp("moderation")) as market:
        yield market


@pytest.fixture
async def market(shared_market: Market) -> AsyncIterator[Market]:
    with no_complaints():
        yield shared_market
