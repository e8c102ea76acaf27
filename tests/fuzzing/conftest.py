"""A node and Stripe's sandbox for all runs; each has people of its own, with everything there may be between them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from sandbox.server import Sandbox
from store.webhook_endpoints import NAME as WEBHOOK_ENDPOINTS
from tests.authorisation.parties import Parties
from tests.bookings.market import Market, served_market
from tests.fuzzing.served import prompter


@dataclass(frozen=True)
class Fuzzed:
    """``url`` of the server, ``prompter`` of what tells a run of Schemathesis who asks."""

    url: str
    prompter: str


@pytest.fixture(scope="package")
async def market(mongo_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Market]:
    sandbox, folder = Sandbox(), tmp_path_factory.mktemp("market")
    try:
        stripe = {"STRIPE_API_BASE": await sandbox.start()}
        async with served_market(mongo_url, redis_url, folder, 1, **stripe) as market:
            yield market
    finally:
        await sandbox.stop()


@pytest.fixture
async def fuzzed(market: Market) -> AsyncIterator[Fuzzed]:
    """People of its own: a run leaves nothing as it was."""
    # There may be ten, and each run adds its own.
    await market.nodes[0].database.collection(WEBHOOK_ENDPOINTS).delete_many({})
    parties = Parties(market)
    await parties.prepare()
    async with prompter(parties) as prompting:
        yield Fuzzed(market.urls[0], prompting)
