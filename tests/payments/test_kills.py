"""``kill -9`` after any write of a payment, in the database or at Stripe: when others have gone on, money at Stripe,
transactions, ledger and bookings agree."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sandbox.delivery import Endpoint
from sandbox.server import PUBLISHABLE_KEY, SECRET_KEY, WEBHOOK_SECRET
from tests.bookings.market import Somebody
from tests.harness.claims import run_out_of_claims
from tests.payments.books import is_left, reconcile
from tests.payments.killed_node import NodeToKill, Step, Ways, ways
from tests.payments.operations import NEW_TRAINER, OPERATIONS, Operation, PaymentParties, trainer_for
from tests.payments.shop import Shop

# What a log may never hold: our secrets, what a payment is confirmed with, and anything like the number of a card.
SECRETS = re.compile(rb"sk_test_|whsec_|_secret_\w|pm_card_|\b(?:\d[ -]?){15,16}\b")


@pytest.fixture
async def killing(shop: Shop, mongo_url: str, redis_url: str, tmp_path: Path) -> AsyncIterator[Ways]:
    stripe = {
        "STRIPE_API_BASE": shop.sandbox.url,
        "STRIPE_SECRET_KEY": SECRET_KEY,
        "STRIPE_PUBLISHABLE_KEY": PUBLISHABLE_KEY,
        "STRIPE_WEBHOOK_SECRETS": WEBHOOK_SECRET,
    }
    shop.sandbox.delivery.endpoints.clear()
    async with ways(mongo_url, shop.market.nodes[0].database.db.name, redis_url, stripe, tmp_path) as found:
        yield found
        for log in found.logs:
            assert SECRETS.search(log.read_bytes()) is None, log.read_text()


async def one_kill(shop: Shop, ways: Ways, operation: Operation, step: Step, number: int, trainer: Somebody) -> bool:
    """False when the operation has no such write."""
    market, endpoints = shop.market, shop.sandbox.delivery.endpoints
    market.clock.now = datetime.now(UTC).replace(microsecond=0) - operation.ago
    endpoints.clear()
    parties = PaymentParties(shop, trainer, await market.client(), await market.somebody("admin"), hour=number % 24)
    await operation.prepare(parties)
    async with ways.node(step, at_start=operation.at_start) as dying:
        if not operation.at_start:
            dying.arm()
        died = await _dies(parties, operation, dying)
        # Stripe goes on telling, to whoever is there.
        for endpoint in endpoints:
            endpoint.url = f"{market.urls[0]}/v1/webhooks/stripe"
    # After every claim that it had.
    await run_out_of_claims(market.store.database)
    market.clock.now = datetime.now(UTC).replace(microsecond=0) + timedelta(minutes=2)
    await reconcile(shop)
    await operation.again(parties)
    # Nobody need tell: it is found.
    market.clock.advance(minutes=2)
    await reconcile(shop)
    await operation.end(parties)
    return died


async def _dies(parties: PaymentParties, operation: Operation, dying: NodeToKill) -> bool:
    market, endpoints = parties.shop.market, parties.shop.sandbox.delivery.endpoints
    if not dying.url:
        return dying.tap.struck
    market.urls.append(dying.url)
    if operation.events:
        endpoints.append(Endpoint(f"{dying.url}/v1/webhooks/stripe", [WEBHOOK_SECRET], [*operation.events]))

    async def is_done() -> bool:
        """And what follows the last thing that shows: the ends of the claims."""
        return await operation.is_done(parties) and not await is_left(parties.shop)

    try:
        return await dying.dies(lambda: operation.begin(parties), is_done)
    finally:
        market.urls.pop()


@pytest.mark.verify
@pytest.mark.parametrize("kind", OPERATIONS)
async def test_a_kill_after_every_write(shop: Shop, killing: Ways, kind: str) -> None:
    step, trainer = 1, await trainer_for(shop, kind)
    while await one_kill(shop, killing, OPERATIONS[kind](), step, step, trainer):
        step += 1
        if kind in NEW_TRAINER:
            trainer = await trainer_for(shop, kind)
    # As many as it takes at the least; more, where a node does something beside it.
    assert step > 3


async def test_a_kill_between_stripe_and_the_database(shop: Shop, killing: Ways) -> None:
    write = ("POST", "/v1/payment_intents")
    assert await one_kill(shop, killing, OPERATIONS["purchase"](), write, 1, await shop.seller()), killing.tap.seen
