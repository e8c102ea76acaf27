"""Stripe's list of payments beside ours: what was missed is mended, what differs is told once."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from bson import ObjectId

from handlers.payments.comparing import comparison_job
from store.stripe_lists import NAME as COMPARED
from tests.bookings.market import Data
from tests.harness.work import work_off
from tests.payments.shop import PRICES, Shop


async def compare(shop: Shop) -> None:
    """As an hour does, over all that was done in the last minutes."""
    node, clock = shop.market.nodes[0], shop.market.clock
    clock.advance(minutes=20)
    await node.database.collection(COMPARED).update_one(
        {"_id": "payments"}, {"$set": {"dueAt": clock(), "seenUntil": clock() - timedelta(hours=1)}}
    )
    await work_off(comparison_job(node.context), clock)


async def told(shop: Shop, purchase: Data) -> list[Data]:
    """The rows of the audit about it."""
    rows = shop.market.nodes[0].database.collection("audit")
    return await rows.find({"target.id": ObjectId(purchase["id"])}).to_list(None)


async def change(shop: Shop, purchase: Data, **fields: Any) -> None:
    rows = shop.market.nodes[0].database.collection("transactions")
    await rows.update_one({"_id": ObjectId(purchase["id"])}, {"$set": fields})


async def paid(shop: Shop) -> Data:
    trainer, client = await shop.seller(), await shop.market.client()
    purchase = await shop.bought(client, trainer, "five")
    await shop.pay(purchase)
    return await shop.purchase(client, purchase)


async def test_what_no_event_told_is_mended_and_not_reported(untold: Shop) -> None:
    shop = untold
    trainer, client = await shop.seller(), await shop.market.client()
    fresh, refunded = await shop.bought(client, trainer, "five"), await shop.bought(client, trainer, "single")
    for one in (fresh, refunded):
        await shop.pay(one)
    await shop.purchase(client, refunded)
    await shop.stripe("POST", "/refunds", payment_intent=refunded["transactionId"])
    await compare(shop)
    await shop.granted(client, trainer, 5)
    assert (await shop.purchase(client, refunded))["status"] == "refunded"
    assert await told(shop, fresh) == await told(shop, refunded) == []


async def test_what_differs_is_told_once(untold: Shop) -> None:
    shop = untold
    differs, agrees = await paid(shop), await paid(shop)
    await change(shop, differs, amountRefunded=100, creditsRefunded=1)
    found = shop.market.nodes[0].store.payment_differences
    before = found.found
    for _ in range(2):
        await compare(shop)
    (row,) = await told(shop, differs)
    assert (row["action"], row["actor"], row["reason"]) == ("payment.difference", None, "refunded differently")
    assert (row["before"]["refunded"], row["after"]["refunded"]) == (100, 0)
    assert row["target"]["kind"] == "transaction"
    assert await told(shop, agrees) == []
    assert found.found == before + 1
    async with shop.market.http.get(f"{shop.market.urls[0]}/metrics") as answer:
        assert f"spotter_payment_differences_total {float(found.found)}" in await answer.text()
    # Once they agree it is new again.
    await change(shop, differs, amountRefunded=0, creditsRefunded=0)
    await compare(shop)
    assert not await found_rows(shop, differs)


async def found_rows(shop: Shop, purchase: Data) -> list[Data]:
    rows = shop.market.nodes[0].database.collection("paymentDifferences")
    return await rows.find({"transaction": ObjectId(purchase["id"])}).to_list(None)


async def test_what_only_one_of_the_two_knows(untold: Shop) -> None:
    shop = untold
    ours, gone, another = await paid(shop), await paid(shop), await paid(shop)
    await change(shop, ours, transactionId="pi_of_nobody")
    await shop.market.nodes[0].database.collection("transactions").delete_one({"_id": ObjectId(gone["id"])})
    await change(shop, another, amount=PRICES["five"] + 1)
    await compare(shop)
    assert [one["reason"] for one in await told(shop, gone)] == ["unknown here"]
    assert sorted(one["reason"] for one in await told(shop, ours)) == ["a second payment", "unknown at Stripe"]
    assert [one["reason"] for one in await told(shop, another)] == ["not what was sold"]
