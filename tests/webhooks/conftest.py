"""One node that may send to private addresses, and receivers of each test's own."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from server.webhooks.client import TIMEOUT_SECONDS
from store.webhook_deliveries import NAME as DELIVERIES
from tests.bookings.market import Market, served_market
from tests.harness.clock import StandingClock
from tests.harness.unread_errors import no_complaints
from tests.webhooks.hooks import Hooks
from tests.webhooks.receiver import Receiver, receiving


@pytest.fixture(scope="package")
async def shared_market(
    mongo_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Market]:
    folder = tmp_path_factory.mktemp("hooks")
    async with served_market(mongo_url, redis_url, folder, 1, WEBHOOKS_ALLOW_PRIVATE="yes") as market:
        yield market


@pytest.fixture
async def market(shared_market: Market) -> AsyncIterator[Market]:
    shared_market.clock.now = StandingClock().now
    with no_complaints():
        yield shared_market


@pytest.fixture
async def hooks(market: Market) -> AsyncIterator[Hooks]:
    """Whatever endpoints the test makes go with it."""
    found, client = Hooks(market, await market.somebody("admin")), market.nodes[0].webhooks
    yield found
    client.allows_private, client.timeout_seconds = True, TIMEOUT_SECONDS
    for one in (await found.call("GET", "")).body["items"]:
        assert (await found.call("DELETE", f"/{one['id']}")).status == 204
    await market.nodes[0].database.collection(DELIVERIES).delete_many({})


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving(Receiver()) as found:
        yield found


@pytest.fixture
async def other_receiver() -> AsyncIterator[Receiver]:
    async with receiving(Receiver()) as found:
        yield found
