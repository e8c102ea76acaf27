"""Two nodes and Stripe's sandbox for the whole folder; each test brings people of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from sandbox.delivery import Disturbance
from sandbox.server import PUBLISHABLE_KEY, SECRET_KEY, WEBHOOK_SECRET, Sandbox
from store.disputes import NAME as DISPUTES
from store.final_refunds import NAME as FINAL_REFUNDS
from store.stripe_lists import NAME as STRIPE_LISTS
from store.trainer_parts import NAME as TRAINER_PARTS
from store.work_queue import WORK
from tests.bookings.market import served_market
from tests.harness.clock import StandingClock
from tests.harness.unread_errors import no_complaints
from tests.payments.shop import Shop

OLD_SECRET = "whsec_before_this_one"


@pytest.fixture(scope="package")
async def shared_shop(
    mongo_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Shop]:
    sandbox, folder = Sandbox(), tmp_path_factory.mktemp("shop")
    stripe = {
        "STRIPE_API_BASE": await sandbox.start(),
        "STRIPE_SECRET_KEY": SECRET_KEY,
        "STRIPE_PUBLISHABLE_KEY": PUBLISHABLE_KEY,
        "STRIPE_WEBHOOK_SECRETS": f"{WEBHOOK_SECRET},{OLD_SECRET}",
    }
    try:
        async with served_market(mongo_url, redis_url, folder, **stripe) as market:
            yield Shop(market, sandbox)
    finally:
        await sandbox.stop()


@pytest.fixture
async def shop(shared_shop: Shop) -> AsyncIterator[Shop]:
    shared_shop.market.clock.now = now = StandingClock().now
    # A test before this one may have gone on into days that are still to come.
    shared_shop.sandbox.state.ahead = 0.0
    database = shared_shop.market.nodes[0].database
    # What is tried again in days that are still to come, and what a bank still has.
    for name in (DISPUTES, FINAL_REFUNDS):
        await database.collection(name).delete_many({})
    # Their numbers are used up at Stripe.
    await database.collection(TRAINER_PARTS).update_many({}, {"$unset": {"dueAt": "", WORK: ""}})
    lists = database.collection(STRIPE_LISTS)
    await lists.update_many({}, {"$set": {"seenUntil": now, "dueAt": now + timedelta(minutes=5)}, "$unset": {WORK: ""}})
    shared_shop.sandbox.delivery.endpoints[:] = [shared_shop.endpoint()]
    yield shared_shop
    shared_shop.sandbox.delivery.endpoints.clear()
    shared_shop.sandbox.delivery.disturbance = Disturbance()
    await shared_shop.control("DELETE", "/faults")


@pytest.fixture
def untold(shop: Shop) -> Shop:
    """Stripe tells nothing."""
    shop.sandbox.delivery.endpoints.clear()
    return shop


@pytest.fixture(autouse=True)
async def no_complaint() -> AsyncIterator[None]:
    """Whatever a background task raised and nobody read fails the test."""
    with no_complaints():
        yield
