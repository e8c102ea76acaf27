"""A client or a trainer is erased: nothing more is paid, what nobody can use is refunded, and the books are whole."""

from __future__ import annotations

from typing import Any

import pytest
from bson import ObjectId

from domain.credits import CreditEntry, consume
from domain.errors import unavailable
from handlers.payments.final_refunds import final_refunds_job
from store.erasures import LONGEST_TRANSACTION
from tests.bookings.market import Data, Somebody
from tests.harness.waiting import eventually
from tests.harness.work import work_off
from tests.payments.shop import PRICES, Shop

PASSWORD = "correct horse battery"


async def erase(shop: Shop, who: Somebody) -> None:
    node = shop.market.nodes[0]
    hashed = await node.passwords.hash(PASSWORD)
    await node.database.collection("users").update_one({"_id": ObjectId(who.id)}, {"$set": {"password": hashed}})
    answer = await shop.market.call("POST", "/me/erase", {"password": PASSWORD}, who)
    assert answer.status == 204, answer


async def refunded(shop: Shop, purchase: Data, amount: int) -> None:
    """Waits for it, at Stripe."""
    intent = purchase["payment"]["clientSecret"].partition("_secret_")[0]

    async def is_refunded() -> bool:
        # What is postponed is due a moment later.
        shop.market.clock.advance(seconds=1)
        found = await shop.stripe("GET", "/refunds", payment_intent=intent)
        return bool(sum(one["amount"] for one in found["data"]) == amount)

    await eventually(is_refunded)


async def is_whole(shop: Shop, client: Somebody, trainer: Somebody, credits: int = 0) -> None:
    """The ledger is the balance."""
    await shop.granted(client, trainer, credits)
    listed = await shop.market.store.credits.entries(client.profile, trainer.profile)
    assert sum(one.amount for one in listed) == credits


async def settled(shop: Shop, who: Somebody) -> None:
    """The last look, when no transaction can be open any more; a claim of a node's that failed has run out before.

    Nothing is in hand at a node then: while the clock goes on, the claim of what is would run out in the middle of it.
    """
    rows = shop.market.nodes[0].database.collection("finalRefunds")

    async def is_over() -> bool:
        is_done = await rows.find_one({"_id": ObjectId(who.id)}) is None
        if any(node.durable_work.in_hand for node in shop.market.nodes):
            return False
        if is_done:
            return True
        shop.market.clock.advance(minutes=6)
        await work_off(final_refunds_job(shop.market.nodes[0].context), shop.market.clock)
        return False

    await eventually(is_over)


@pytest.mark.parametrize("gone", ["client", "trainer"])
async def test_unused_credits_are_refunded_and_sessions_ahead_as_well(shop: Shop, gone: str) -> None:
    trainer, client = await shop.seller(), await shop.market.client()
    first, second = await shop.bought(client, trainer, "single"), await shop.bought(client, trainer, "five")
    for one in (first, second):
        await shop.pay(one)
    await shop.granted(client, trainer, 6)
    pending = await shop.bought(client, trainer, "ten")
    await shop.market.booked(client, trainer, shop.market.at(10))
    customer = first["payment"]["customer"]
    await erase(shop, client if gone == "client" else trainer)
    await refunded(shop, first, PRICES["single"])
    await refunded(shop, second, PRICES["five"])
    await is_whole(shop, client, trainer)
    (intent,) = await shop.intents(pending)
    assert intent["status"] == "canceled"
    await settled(shop, client if gone == "client" else trainer)
    found = await shop.stripe("GET", f"/customers/{customer}")
    assert found.get("deleted", False) is (gone == "client")
    # The trainer's part went back with it; the account itself is the trainer's own.
    other = trainer if gone == "client" else client
    listed = (await shop.market.call("GET", "/transactions", None, other)).body["items"]
    assert sorted(one["status"] for one in listed) == ["failed", "refunded", "refunded"]


async def test_what_was_used_is_not(shop: Shop) -> None:
    trainer, client = await shop.seller(), await shop.market.client()
    purchase = await shop.bought(client, trainer, "five")
    await shop.pay(purchase)
    await shop.granted(client, trainer, 5)
    used = CreditEntry(
        client_id=client.profile,
        trainer_id=trainer.profile,
        effect=consume("of two sessions"),
        kind="consume",
        amount=-2,
        created_at=shop.market.clock(),
    )
    await shop.market.store.credits.record(used)
    await erase(shop, client)
    await refunded(shop, purchase, PRICES["five"] * 3 // 5)
    await is_whole(shop, client, trainer)


async def test_a_hold_cannot_be_paid_any_more(shop: Shop) -> None:
    trainer, client = await shop.seller(), await shop.market.client()
    held = await shop.market.book(client, trainer, shop.market.at(10), pay_with="card")
    assert held.status == 201
    await erase(shop, client)

    async def is_cancelled() -> bool:
        return await shop.pay(held.body) >= 400

    await eventually(is_cancelled)
    other = await shop.market.client()
    assert (await shop.market.book(other, trainer, shop.market.at(10), pay_with="card")).status == 201


async def test_what_is_paid_in_the_same_moment_is_refunded(untold: Shop) -> None:
    shop = untold
    trainer, client = await shop.seller(), await shop.market.client()
    purchase = await shop.bought(client, trainer, "five")
    await shop.pay(purchase)
    await erase(shop, client)
    await refunded(shop, purchase, PRICES["five"])
    await is_whole(shop, client, trainer)


@pytest.mark.parametrize(
    "fault", [{"action": "error", "status": 500}, {"action": "lose", "after": True}], ids=["refused", "lost"]
)
async def test_stripe_is_away_and_it_is_made_later(shop: Shop, fault: dict[str, Any]) -> None:
    trainer, client = await shop.seller(), await shop.market.client()
    purchase = await shop.bought(client, trainer, "five")
    await shop.pay(purchase)
    await shop.granted(client, trainer, 5)
    await shop.control("POST", "/faults", method="POST", path="/v1/refunds", **fault)
    await erase(shop, client)
    await settled(shop, client)
    await refunded(shop, purchase, PRICES["five"])
    await is_whole(shop, client, trainer)


async def test_a_read_that_mongodb_does_not_answer_passes_no_refund_over(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not taken for a payment of which nothing is left, until the last look."""
    trainer, client, purchase, _ = await bought(shop)
    await shop.granted(client, trainer, 5)
    failed: list[str] = []
    read = shop.market.store.trainer_parts.by_id

    async def fail_once(transaction_id: str) -> object:
        if not failed:
            failed.append(transaction_id)
            raise unavailable()
        return await read(transaction_id)

    for node in shop.market.nodes:
        monkeypatch.setattr(node.store.trainer_parts, "by_id", fail_once)
    await erase(shop, client)
    await eventually(lambda: failed)
    await shop.market.at_rest()
    row = await shop.market.nodes[0].database.collection("finalRefunds").find_one({"_id": ObjectId(client.id)})
    assert row is not None and row["dueAt"] < shop.market.clock() + LONGEST_TRANSACTION / 2
    await refunded(shop, purchase, PRICES["five"])
    await is_whole(shop, client, trainer)


async def is_over(shop: Shop, who: Somebody) -> None:
    """Nothing waits, and nothing was set aside."""
    rows = shop.market.nodes[0].database.collection("finalRefunds")
    assert await rows.find_one({"_id": ObjectId(who.id)}) is None


async def bought(shop: Shop) -> tuple[Somebody, Somebody, Data, str]:
    trainer, client = await shop.seller(), await shop.market.client()
    purchase = await shop.bought(client, trainer, "five")
    await shop.pay(purchase)
    assert (await shop.purchase(client, purchase))["status"] == "paid"
    return trainer, client, purchase, purchase["payment"]["clientSecret"].partition("_secret_")[0]


@pytest.mark.parametrize("outcome", ["won", "lost"])
@pytest.mark.parametrize("known", [True, False], ids=["known", "unknown here"])
async def test_what_a_bank_disputes_waits_for_its_end(untold: Shop, outcome: str, known: bool) -> None:
    shop = untold
    trainer, client, purchase, intent = await bought(shop)
    dispute = await shop.control("POST", "/disputes", payment_intent=intent)
    await shop.control("POST", "/balance", amount=PRICES["five"])
    if known:
        shop.sandbox.delivery.endpoints[:] = [shop.endpoint()]
        await shop.control("POST", "/events", type="charge.dispute.updated", object=dispute["id"])
        await shop.granted(client, trainer, 0)
    await erase(shop, client)
    await settled(shop, client)
    # Not by tries: it is over here until the bank has decided.
    await is_over(shop, client)
    await is_whole(shop, client, trainer)
    shop.sandbox.delivery.endpoints[:] = [shop.endpoint()]
    await shop.control("POST", f"/disputes/{dispute['id']}/close", outcome=outcome)
    if outcome == "won":
        await refunded(shop, purchase, PRICES["five"])
    await is_whole(shop, client, trainer)
    await settled(shop, client)
    await is_over(shop, client)


async def test_what_stripe_will_never_refund_is_audited_and_counted(untold: Shop) -> None:
    shop = untold
    trainer, client, purchase, _ = await bought(shop)
    found = shop.market.nodes[0].store.payment_differences, shop.market.nodes[1].store.payment_differences
    before = sum(one.found for one in found)
    await shop.control("POST", "/faults", action="error", method="POST", path="/v1/refunds", status=400, times=1000)
    await erase(shop, client)
    await settled(shop, client)
    await is_over(shop, client)
    await is_whole(shop, client, trainer, 5)
    admin = await shop.market.somebody("admin")
    rows = (await shop.market.call("GET", f"/admin/audit?target={purchase['id']}", None, admin)).body["items"]
    assert [(row["action"], row["reason"], row["actor"]) for row in rows] == [
        ("payment.difference", "refund refused", None)
    ]
    assert sum(one.found for one in found) == before + 1
    # Asked for at most at both looks, and what that took is back.
    entries = await shop.market.store.credits.entries(client.profile, trainer.profile)
    assert len(entries) in (3, 5) and sum(one.amount for one in entries) == 5


async def test_a_card_that_takes_no_refund_any_more(shop: Shop) -> None:
    trainer, client = await shop.seller(), await shop.market.client()
    purchase = await shop.bought(client, trainer, "five")
    await shop.pay(purchase, "pm_card_refundFail")
    await shop.granted(client, trainer, 5)
    await erase(shop, client)
    admin = await shop.market.somebody("admin")

    async def is_reported() -> bool:
        shop.market.clock.advance(seconds=1)
        rows = (await shop.market.call("GET", f"/admin/audit?target={purchase['id']}", None, admin)).body["items"]
        return [(row["action"], row["reason"]) for row in rows] == [("payment.difference", "refund refused")]

    await eventually(is_reported)
    await is_whole(shop, client, trainer, 5)
    await settled(shop, client)
    await is_over(shop, client)
