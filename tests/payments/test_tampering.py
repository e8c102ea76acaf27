"""What anybody changes of a payment before it is paid, here or at Stripe: it is paid as it was sold, or not at all."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from handlers.bookings.due import due_bookings_job
from handlers.payments.fulfilment import payments_job
from tests.bookings.market import Data, Somebody
from tests.harness.work import work_off
from tests.payments.books import Books, reconcile
from tests.payments.shop import PRICES, Shop


def intent_of(shop: Shop, sold: Data) -> Data:
    found = shop.sandbox.state.find(sold["payment"]["clientSecret"].partition("_secret_")[0])
    assert found is not None
    return found


async def looked_at(shop: Shop, client: Somebody, purchase: Data) -> Data:
    """By two readers at once, and by an event."""
    found = await asyncio.gather(*(shop.purchase(client, purchase, node=number) for number in range(2)))
    await shop.control("POST", "/events", type="payment_intent.succeeded", object=intent_of(shop, purchase)["id"])
    return found[0]


@pytest.mark.parametrize(
    "change",
    [
        {"amount": 100},
        {"currency": "eur"},
        {"transfer_data": {"destination": "acct_of_somebody_else"}},
        {"transfer_data": None},
        {"amount_received": 100},
    ],
    ids=str,
)
async def test_what_was_paid_is_not_what_was_sold(untold: Shop, change: dict[str, Any]) -> None:
    shop = untold
    trainer, client = await shop.seller(), await shop.market.client()
    purchase = await shop.bought(client, trainer, "five")
    assert await shop.pay(purchase) == 200
    intent = intent_of(shop, purchase)
    before = dict(intent)
    intent |= change
    try:
        assert (await looked_at(shop, client, purchase))["status"] == "pending"
        assert await shop.market.balance(client, trainer) == 0
        assert await shop.market.store.credits.entries(client.profile, trainer.profile) == []
    finally:
        intent |= before
    # As it was sold, it is granted.
    assert (await shop.purchase(client, purchase))["status"] == "paid"
    assert await shop.market.balance(client, trainer) == 5


async def test_metadata_grants_nothing_to_anybody(untold: Shop) -> None:
    """Of a payment that names another's purchase."""
    shop = untold
    trainer, client, other = await shop.seller(), await shop.market.client(), await shop.market.client()
    cheap, dear = await shop.bought(client, trainer, "single"), await shop.bought(other, trainer, "ten")
    intent = intent_of(shop, cheap)
    intent["metadata"] = {"purchase": dear["id"]}
    await shop.pay(cheap)
    assert (await looked_at(shop, client, cheap))["status"] == "paid"
    assert (await shop.purchase(other, dear))["status"] == "pending"
    assert await shop.market.balance(client, trainer) == 1
    assert await shop.market.balance(other, trainer) == 0
    intent["metadata"] = {"purchase": cheap["id"]}


async def test_a_device_changes_nothing_of_what_it_pays(shop: Shop) -> None:
    trainer, client = await shop.seller(), await shop.market.client()
    purchase = await shop.bought(client, trainer, "five")
    payment, intent = purchase["payment"], intent_of(shop, purchase)
    before = dict(intent)
    headers = {"Authorization": f"Bearer {payment['publishableKey']}"}
    for field, value in (
        ("amount", "1"), ("currency", "eur"), ("metadata[purchase]", "x"), ("transfer_data[destination]", "acct_x"),
        ("application_fee_amount", "1"),
    ):  # fmt: skip
        for path in ("", "/confirm"):
            url = f"{payment['apiBase']}/v1/payment_intents/{intent['id']}{path}"
            form = {"client_secret": payment["clientSecret"], "payment_method": "pm_card_visa", field: value}
            async with shop.market.http.post(url, data=form, headers=headers) as answer:
                assert answer.status in (400, 403), (field, path)
    assert intent == before
    await shop.pay(purchase)
    await shop.granted(client, trainer, 5)


async def test_prices_change_before_a_hold_is_paid(shop: Shop) -> None:
    trainer, client = await shop.seller(), await shop.market.client()
    held = await shop.market.booked(client, trainer, shop.market.at(10), pay_with="card")
    await shop.price(trainer, {"single": 99_00, "five": 1_00, "ten": 1_00})
    assert await shop.pay(held) == 200
    await shop.told(client, 1)
    (transaction,) = await Books(shop, client, trainer).check()
    assert (transaction.amount, transaction.status) == (PRICES["single"], "paid")
    # And what comes of it is one session, whatever one costs now.
    assert (await shop.market.cancel(held, client)).status == 200
    assert await shop.market.balance(client, trainer) == 1


@pytest.mark.parametrize("number", range(3))
async def test_paid_while_the_hold_ends_on_two_nodes(untold: Shop, number: int) -> None:
    """At once: the phone pays and asks, and both nodes end holds and look for payments."""
    shop, market = untold, untold.market
    trainer, client, other = await shop.seller(), await market.client(), await market.client()
    held = await market.booked(client, trainer, market.at(10), pay_with="card")
    market.clock.advance(minutes=15)
    jobs = [job(node.context) for node in market.nodes for job in (due_bookings_job, payments_job)]

    async def pays() -> int:
        for _ in range(number * 3):
            await asyncio.sleep(0.003)
        return await shop.pay(held)

    status, *_ = await asyncio.gather(pays(), *(work_off(job, market.clock) for job in jobs))
    market.clock.advance(minutes=2)
    await reconcile(shop)
    (transaction,) = await Books(shop, client, trainer).check()
    assert (transaction.status == "paid") == (status == 200)
    booking = await market.store.bookings.by_id(held["id"])
    assert booking is not None
    credits = await market.balance(client, trainer)
    assert (booking.status, credits) in ([("confirmed", 0), ("expired", 1)] if status == 200 else [("expired", 0)])
    again = await market.book(other, trainer, booking.starts_at, pay_with="card")
    assert again.status == (409 if booking.status == "confirmed" else 201)
