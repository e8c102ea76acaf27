"""The same parties for a whole test process: nothing that a test does harms whom or what the other tests ask about."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from sandbox.server import Sandbox
from tests.authorisation.parties import Parties
from tests.authorisation.phones import Phones, phones_of
from tests.bookings.market import served_market
from tests.harness.unread_errors import no_complaints


@pytest.fixture(scope="package")
async def shared_parties(
    mongo_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Parties]:
    sandbox, folder = Sandbox(), tmp_path_factory.mktemp("parties")
    async with AsyncExitStack() as stack:
        stack.push_async_callback(sandbox.stop)
        stripe = {"STRIPE_API_BASE": await sandbox.start()}
        parties = Parties(await stack.enter_async_context(served_market(mongo_url, redis_url, folder, 1, **stripe)))
        await parties.prepare()
        yield parties


@pytest.fixture
async def parties(shared_parties: Parties) -> AsyncIterator[Parties]:
    with no_complaints():
        yield shared_parties


@pytest.fixture(scope="package")
async def shared_phones(shared_parties: Parties) -> AsyncIterator[Phones]:
    async with phones_of(shared_parties) as phones:
        yield phones


@pytest.fixture
def phones(shared_phones: Phones) -> Phones:
    return shared_phones
