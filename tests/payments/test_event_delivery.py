"""All that Stripe tells, five times, shuffled, in parallel, at two nodes or two processes, among events of others and
forged ones: it comes to what happened, once."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from sandbox.delivery import Endpoint
from sandbox.server import PUBLISHABLE_KEY, SECRET_KEY, WEBHOOK_SECRET
from tests.bookings.market import Data, Somebody
from tests.payments.books import Books, reconcile
from tests.payments.conftest import OLD_SECRET
from tests.payments.killed_node import ways
from tests.payments.shop import DECLINED, PRICES, Shop

COPIES = 5


def intent_of(sold: Data) -> str:
    secret: str = sold["payment"]["clientSecret"]
    return secret.partition("_secret_")[0]


async def happens(shop: Shop, trainer: Somebody, client: Somebody) -> None:
    """At Stripe, which tells nothing yet: bought, declined, paid, held, refunded there, disputed, won."""
    await shop.control("POST", "/balance", amount=10_000_000)
    bought = [await shop.bought(client, trainer, pack) for pack in ("single", "five", "ten", "ten", "single")]
    single, five, ten, disputed, left = bought
    held = await shop.market.booked(client, trainer, shop.market.at(10), pay_with="card")
    refused = await shop.market.booked(client, trainer, shop.market.at(12), pay_with="card")
    assert {await shop.pay(one, DECLINED) for one in (single, left, refused)} == {402}
    assert {await shop.pay(one) for one in (single, five, ten, disputed, held)} == {200}
    part, proportion = str(PRICES["five"] * 2 // 5), {"reverse_transfer": "true", "refund_application_fee": "true"}
    parts: Data = {"payment_intent": intent_of(five), "amount": part, **proportion}
    await shop.stripe("POST", "/refunds", **parts)
    await shop.control("POST", "/disputes", payment_intent=intent_of(disputed))
    dispute = await shop.control("POST", "/disputes", payment_intent=intent_of(ten))
    await shop.control("POST", f"/disputes/{dispute['id']}/close", outcome="won")
    for number in range(3):
        await shop.control("POST", "/events", type=f"invented.by_us_{number}", object=intent_of(left))
        # Somebody else's, who claims that it is ours.
        await shop.control(
            "POST", "/events", type="payment_intent.succeeded", object=intent_of(left), account="acct_of_a_stranger"
        )
    strange = {**(shop.sandbox.state.find(intent_of(left)) or {}), "id": "pi_of_nobody"}
    await shop.control("POST", "/events", type="payment_intent.succeeded", object=strange)


async def forged(shop: Shop) -> None:
    """Each of the newest events once more, with a secret that is not ours, or long ago."""
    newest = [event["id"] for event in list(shop.sandbox.state.all("event"))[:10]]
    attempts = shop.sandbox.delivery.attempts
    attempts.clear()
    for event in newest:
        await shop.control("POST", f"/events/{event}/deliver", secret="whsec_of_somebody_else")
        await shop.control("POST", f"/events/{event}/deliver", timestamp=int(time.time()) - 400)
    async with asyncio.timeout(15):
        while shop.sandbox.delivery.pending:  # noqa: ASYNC110 - it says nothing by itself
            await asyncio.sleep(0.02)
    assert {one["status"] for one in attempts} == {400}
    assert len(attempts) == 2 * len(newest) * len(shop.sandbox.delivery.endpoints)


async def all_is_told(shop: Shop, urls: list[str]) -> None:
    # A secret that is being replaced, and the new one.
    secrets = [[WEBHOOK_SECRET], [OLD_SECRET, WEBHOOK_SECRET]]
    shop.sandbox.delivery.endpoints[:] = [
        Endpoint(f"{url}/v1/webhooks/stripe", keys) for url, keys in zip(urls, secrets, strict=True)
    ]
    await shop.control("PUT", "/delivery", hold=True)
    trainer, client = await shop.seller(), await shop.market.client()
    await happens(shop, trainer, client)
    assert await shop.market.balance(client, trainer) == 0
    await shop.control("PUT", "/delivery")
    await shop.control("POST", "/delivery/release", order="shuffle", copies=COPIES)
    shop.market.clock.advance(minutes=1)
    await reconcile(shop)
    await forged(shop)
    await reconcile(shop)
    await comes_to_what_happened(shop, trainer, client)


async def comes_to_what_happened(shop: Shop, trainer: Somebody, client: Somebody) -> None:
    found = await Books(shop, client, trainer).check()
    assert [(one.pack, one.status, one.dispute, one.credits_refunded, one.credits_frozen) for one in found] == [
        ("single", "paid", None, 0, 0),
        ("five", "partially_refunded", None, 2, 0),
        ("ten", "paid", "won", 0, 0),
        ("ten", "paid", "open", 0, 10),
        ("single", "failed", None, 0, 0),
        ("single", "paid", None, 0, 0),
        ("single", "failed", None, 0, 0),
    ]
    assert await shop.market.balance(client, trainer) == 1 + 3 + 10
    entries = await shop.market.store.credits.entries(client.profile, trainer.profile)
    granted = [one.effect for one in entries if one.kind == "grant"]
    assert sorted(granted) == sorted(f"grant:{one.id}" for one in found[:4])


async def test_everything_five_times_at_two_nodes(shop: Shop) -> None:
    await all_is_told(shop, shop.market.urls)


@pytest.mark.verify
@pytest.mark.parametrize("number", range(5))
async def test_everything_five_times_at_two_processes(
    shop: Shop, mongo_url: str, redis_url: str, tmp_path: Path, number: int
) -> None:
    stripe = {
        "STRIPE_API_BASE": shop.sandbox.url,
        "STRIPE_SECRET_KEY": SECRET_KEY,
        "STRIPE_PUBLISHABLE_KEY": PUBLISHABLE_KEY,
        "STRIPE_WEBHOOK_SECRETS": f"{WEBHOOK_SECRET},{OLD_SECRET}",
    }
    database = shop.market.nodes[0].database.db.name
    async with (
        ways(mongo_url, database, redis_url, stripe, tmp_path) as found,
        found.node(0) as one,
        found.node(0) as other,
    ):
        await all_is_told(shop, [one.url, other.url])
