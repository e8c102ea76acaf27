"""Unused credits for their money: by an administrator, at Stripe without us, and whatever fails in between."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from domain.refunds import RefundAtStripe, absorbed
from handlers.payments import refunds
from handlers.payments.refunds import refunds_job
from tests.bookings.market import Answer, Data, Somebody
from tests.harness.waiting import eventually
from tests.harness.work import work_off
from tests.payments.books import Books, reconcile
from tests.payments.purchases import NET, has_earned, paid, shows
from tests.payments.shop import PRICES, Shop


async def refund(shop: Shop, admin: Somebody, purchase: Data, key: str, **body: Any) -> Answer:
    return await shop.market.call("POST", f"/admin/transactions/{purchase['id']}/refund", body, admin, key=key)


async def at_stripe(shop: Shop, purchase: Data) -> list[Data]:
    found = await shop.stripe("GET", "/refunds", payment_intent=purchase["transactionId"])
    listed: list[Data] = found["data"]
    return listed


async def test_the_parts_come_to_the_whole(shop: Shop) -> None:
    trainer, client, purchase = await paid(shop, "ten")
    admin = await shop.market.somebody("admin")
    await shop.market.booked(client, trainer, shop.market.at(10))
    assert (await refund(shop, admin, purchase, "much", credits=10)).code == "conflict"
    part = await refund(shop, admin, purchase, "part", credits=3)
    assert (part.status, part.body["status"], part.body["creditsRefunded"]) == (200, "partially_refunded", 3)
    assert part.body["amountRefunded"] == PRICES["ten"] * 3 // 10
    again = await refund(shop, admin, purchase, "part", credits=3)
    assert again.body == part.body
    rest = await refund(shop, admin, purchase, "rest")
    assert (rest.body["creditsRefunded"], rest.body["amountRefunded"]) == (9, PRICES["ten"] * 9 // 10)
    assert await shop.market.balance(client, trainer) == 0
    assert sum(one["amount"] for one in await at_stripe(shop, purchase)) == PRICES["ten"] * 9 // 10
    assert all(one["transfer_reversal"] for one in await at_stripe(shop, purchase))
    assert (await refund(shop, admin, purchase, "none")).code == "conflict"
    await shop.told(client, 3)
    assert [one["action"] for one in await shop.entries(client)] == ["paid", "refunded", "refunded"]


async def test_it_leaves_a_row_in_the_audit(shop: Shop) -> None:
    _, _, purchase = await paid(shop, "five")
    admin = await shop.market.somebody("admin")
    assert (await refund(shop, admin, purchase, "two", credits=2)).status == 200
    (row,) = (await shop.market.call("GET", f"/admin/audit?target={purchase['id']}", None, admin)).body["items"]
    assert (row["action"], row["actor"], row["target"]["kind"]) == ("transaction.refund", admin.id, "transaction")
    assert (row["before"]["creditsRefunded"], row["after"]["creditsRefunded"]) == (0, 2)


async def test_one_with_everything_unused_is_refunded(shop: Shop) -> None:
    trainer, client, purchase = await paid(shop, "five")
    admin = await shop.market.somebody("admin")
    answers = await asyncio.gather(*(refund(shop, admin, purchase, "all") for _ in range(4)))
    assert {(one.status, one.body["status"]) for one in answers} == {(200, "refunded")}
    assert len(await at_stripe(shop, purchase)) == 1
    assert await shop.market.balance(client, trainer) == 0


async def test_two_refunds_at_once_take_what_there_is_once(shop: Shop) -> None:
    trainer, client, purchase = await paid(shop, "five")
    admin = await shop.market.somebody("admin")
    answers = await asyncio.gather(*(refund(shop, admin, purchase, f"k{n}", credits=2) for n in range(4)))
    assert sorted(one.status for one in answers) == [200, 200, 409, 409]
    assert await shop.market.balance(client, trainer) == 1
    assert sum(one["amount"] for one in await at_stripe(shop, purchase)) == PRICES["five"] * 4 // 5


@pytest.mark.parametrize(
    "fault", [{"action": "error", "status": 500}, {"action": "lose", "after": True}], ids=["refused", "lost"]
)
async def test_what_stripe_did_not_answer_is_made_by_the_durable_work(untold: Shop, fault: dict[str, Any]) -> None:
    shop = untold
    trainer, client, purchase = await paid(shop, "five")
    admin = await shop.market.somebody("admin")
    await shop.control("POST", "/faults", method="POST", path="/v1/refunds", **fault)
    assert (await refund(shop, admin, purchase, "one")).code == "unavailable"
    assert await shop.market.balance(client, trainer) == 0
    shop.market.clock.advance(minutes=2)
    await work_off(refunds_job(shop.market.nodes[0].context), shop.market.clock)

    async def is_made() -> bool:
        return [one["action"] for one in await shop.entries(client)] == ["paid", "refunded"]

    await eventually(is_made)
    assert len(await at_stripe(shop, purchase)) == 1
    assert (await refund(shop, admin, purchase, "one")).body["status"] == "refunded"


async def test_what_stripe_refuses_gives_the_credits_back(untold: Shop) -> None:
    shop = untold
    trainer, client, purchase = await paid(shop, "five")
    admin = await shop.market.somebody("admin")
    # It knows of a dispute before we do.
    await shop.control("POST", "/disputes", payment_intent=purchase["transactionId"])
    assert (await refund(shop, admin, purchase, "one")).code == "conflict"
    assert await shop.market.balance(client, trainer) == 5
    assert (await shop.purchase(client, purchase))["status"] == "paid"


async def test_a_refund_made_elsewhere_takes_what_it_paid_for(shop: Shop) -> None:
    trainer, client, purchase = await paid(shop, "five")
    params = {"payment_intent": purchase["transactionId"], "amount": str(PRICES["five"] * 2 // 5)}
    await shop.stripe("POST", "/refunds", **params)
    await shop.granted(client, trainer, 3)
    assert (await shop.purchase(client, purchase))["status"] == "partially_refunded"
    await shop.market.booked(client, trainer, shop.market.at(10))
    await shop.stripe("POST", "/refunds", payment_intent=purchase["transactionId"])
    await shop.granted(client, trainer, 0)
    assert (await shop.purchase(client, purchase))["status"] == "refunded"


async def test_only_administrators_refund(shop: Shop) -> None:
    trainer, client, purchase = await paid(shop, "single")
    for who in (client, trainer):
        assert (await refund(shop, who, purchase, "no")).code == "forbidden"
    admin = await shop.market.somebody("admin")
    assert (await refund(shop, admin, {"id": "a" * 24}, "no")).code == "not_found"
    for wrong in (0, -1, 11, 1.5, "1"):
        answer = await refund(shop, admin, purchase, "no", credits=wrong)
        assert [error["field"] for error in answer.body["errors"]] == ["credits"]


async def test_one_that_the_bank_sends_back_gives_the_credits_back(shop: Shop) -> None:
    trainer, client = await shop.seller(), await shop.market.client()
    purchase = await shop.bought(client, trainer, "five")
    await shop.pay(purchase, "pm_card_refundFail")
    await shop.granted(client, trainer, 5)
    admin = await shop.market.somebody("admin")
    assert (await refund(shop, admin, purchase, "one", credits=2)).status == 200
    await shop.granted(client, trainer, 5)
    found = await shop.purchase(client, purchase)
    assert (found["status"], found["creditsRefunded"], found["amountRefunded"]) == ("paid", 0, 0)


async def test_one_made_elsewhere_that_the_bank_sends_back(shop: Shop) -> None:
    trainer, client, purchase = await paid(shop, "five")
    made = await shop.stripe("POST", "/refunds", payment_intent=purchase["transactionId"])
    await shop.granted(client, trainer, 0)
    await shop.control("POST", f"/refunds/{made['id']}/fail")
    await shop.granted(client, trainer, 5)
    assert (await shop.purchase(client, purchase))["status"] == "paid"
    # Told once more it changes nothing.
    await shop.control("POST", "/events", type="refund.failed", object=made["id"])
    admin = await shop.market.somebody("admin")
    assert (await refund(shop, admin, purchase, "all")).body["status"] == "refunded"


@pytest.mark.parametrize("credits", [1, 5])
async def test_one_made_elsewhere_while_ours_is_under_way(untold: Shop, credits: int) -> None:
    shop = untold
    trainer, client, purchase = await paid(shop, "five")
    admin = await shop.market.somebody("admin")
    await shop.control("POST", "/faults", action="error", status=500, method="POST", path="/v1/refunds")
    assert (await refund(shop, admin, purchase, "ours", credits=credits)).code == "unavailable"
    elsewhere = await shop.stripe("POST", "/refunds", payment_intent=purchase["transactionId"])
    shop.sandbox.delivery.endpoints[:] = [shop.endpoint()]
    await shop.control("POST", "/events", type="refund.created", object=elsewhere["id"])
    shop.market.clock.advance(minutes=2)
    await reconcile(shop)
    (one,) = await Books(shop, client, trainer).check()
    assert (one.status, one.credits_refunded, one.amount_refunded) == ("refunded", 5, PRICES["five"])
    assert await shop.market.balance(client, trainer) == 0


async def test_what_does_not_fit_beside_one_of_ours_waits_for_its_end(untold: Shop) -> None:
    """Ours is asked for between a look at what Stripe made and its commit; Stripe will refuse it."""
    shop = untold
    trainer, client, purchase = await paid(shop, "five")
    admin = await shop.market.somebody("admin")
    elsewhere = await shop.stripe("POST", "/refunds", payment_intent=purchase["transactionId"])
    await shop.control("POST", "/faults", action="error", status=500, method="POST", path="/v1/refunds")
    assert (await refund(shop, admin, purchase, "ours", credits=2)).code == "unavailable"
    transaction = await shop.market.store.transactions.by_id(purchase["id"])
    assert transaction is not None
    found = RefundAtStripe(id=elsewhere["id"], amount=elsewhere["amount"])
    assert absorbed(transaction, found, "a" * 24, 3, shop.market.clock()) is None
    await refunds.absorb(shop.market.nodes[0].context, transaction)
    await reconcile(shop)
    (one,) = await Books(shop, client, trainer).check()
    assert (one.status, one.credits_refunded, one.amount_refunded) == ("refunded", 5, PRICES["five"])


async def test_one_that_stripe_refuses_after_the_dispute_was_seen_is_frozen(untold: Shop) -> None:
    """Its credits count as refunded until Stripe has answered."""
    shop = untold
    trainer, client, purchase = await paid(shop, "five")
    admin = await shop.market.somebody("admin")
    await shop.control("POST", "/balance", amount=1_000_000)
    dispute = await shop.control("POST", "/disputes", payment_intent=purchase["transactionId"])
    await shop.control("POST", "/faults", action="error", status=500, method="POST", path="/v1/refunds")
    assert (await refund(shop, admin, purchase, "two", credits=2)).code == "unavailable"
    shop.sandbox.delivery.endpoints[:] = [shop.endpoint()]
    await shop.control("POST", "/events", type="charge.dispute.updated", object=dispute["id"])
    await reconcile(shop)
    await shop.control("POST", f"/disputes/{dispute['id']}/close", outcome="lost")
    shop.market.clock.advance(minutes=2)
    await reconcile(shop)
    # A dispute that was taken up while the refund was open still is looked at again after half a minute.
    shop.market.clock.advance(minutes=1)
    await reconcile(shop)
    await shows(shop, client, purchase, dispute="lost", creditsFrozen=5)
    await has_earned(shop, trainer, 0)
    await Books(shop, client, trainer).check()


async def test_who_is_erased_after_a_refund_elsewhere_that_nobody_told_of(untold: Shop) -> None:
    shop = untold
    trainer, client, purchase = await paid(shop, "five")
    await shop.stripe("POST", "/refunds", payment_intent=purchase["transactionId"])
    await shop.market.store.erasures.erase(client.user, shop.market.clock())
    await reconcile(shop)
    (one,) = await Books(shop, client, trainer, reader=trainer).check()
    assert (one.status, one.credits_refunded) == ("refunded", 5)


@pytest.mark.parametrize("elsewhere", [False, True], ids=["ours", "elsewhere"])
async def test_one_that_the_bank_sends_back_gives_the_trainer_its_part_again(shop: Shop, elsewhere: bool) -> None:
    trainer, client, purchase = await paid(shop, "five")
    admin = await shop.market.somebody("admin")
    await shop.control("POST", "/balance", amount=1_000_000)
    if elsewhere:
        params: Any = {"reverse_transfer": "true", "refund_application_fee": "true"}
        made = await shop.stripe("POST", "/refunds", payment_intent=purchase["transactionId"], **params)
        await shop.granted(client, trainer, 0)
    else:
        assert (await refund(shop, admin, purchase, "one")).status == 200
        (made,) = await at_stripe(shop, purchase)
    await has_earned(shop, trainer, 0)
    await shop.control("POST", f"/refunds/{made['id']}/fail")
    await shop.granted(client, trainer, 5)
    await has_earned(shop, trainer, NET)
    earnings = (await shop.market.call("GET", "/me/earnings", None, trainer)).body
    assert [one["net"] for one in earnings["items"]] == [NET]
    # Told again it changes nothing, and a refund that the bank takes fetches the part from where it is now.
    await shop.control("POST", "/events", type="refund.failed", object=made["id"])
    assert (await refund(shop, admin, purchase, "part", credits=2)).status == 200
    await has_earned(shop, trainer, NET * 3 // 5)
    assert (await refund(shop, admin, purchase, "rest")).status == 200
    await has_earned(shop, trainer, 0)
    await reconcile(shop)
    (one,) = await Books(shop, client, trainer).check()
    assert (one.status, one.credits_refunded) == ("refunded", 5)


async def test_one_of_two_halves_that_the_bank_sends_back(shop: Shop) -> None:
    """Half a credit is none of either; together they are one, which comes back with the half that took it."""
    trainer, client, purchase = await paid(shop, "five")
    await shop.control("POST", "/balance", amount=1_000_000)
    half = str(PRICES["five"] // 2)
    first = await shop.stripe("POST", "/refunds", payment_intent=purchase["transactionId"], amount=half)
    await shop.granted(client, trainer, 3)
    await shop.stripe("POST", "/refunds", payment_intent=purchase["transactionId"], amount=half)
    await shop.granted(client, trainer, 0)
    await shop.control("POST", f"/refunds/{first['id']}/fail")
    await shop.granted(client, trainer, 3)
    await reconcile(shop)
    await Books(shop, client, trainer).check()


async def test_one_made_elsewhere_fetches_the_trainers_part(shop: Shop) -> None:
    trainer, client, purchase = await paid(shop, "five")
    amount = str(PRICES["five"] * 2 // 5)
    await shop.stripe("POST", "/refunds", payment_intent=purchase["transactionId"], amount=amount)
    await shop.granted(client, trainer, 3)
    await has_earned(shop, trainer, NET * 3 // 5)
    await reconcile(shop)
    await Books(shop, client, trainer).check()


async def test_one_after_a_dispute_that_was_won(shop: Shop) -> None:
    trainer, client, purchase = await paid(shop, "five")
    admin = await shop.market.somebody("admin")
    await shop.control("POST", "/balance", amount=1_000_000)
    dispute = await shop.control("POST", "/disputes", payment_intent=purchase["transactionId"])
    await has_earned(shop, trainer, 0)
    assert (await refund(shop, admin, purchase, "no")).code == "conflict"
    await shop.control("POST", f"/disputes/{dispute['id']}/close", outcome="won")
    await has_earned(shop, trainer, NET)
    answer = await refund(shop, admin, purchase, "yes")
    assert (answer.status, answer.body["status"]) == (200, "refunded"), answer
    await has_earned(shop, trainer, 0)
    await reconcile(shop)
    await Books(shop, client, trainer).check()


async def test_stripe_mails_no_receipt_of_its_own(shop: Shop) -> None:
    """Ours is the one (``handlers/notifications/receipts.py``)."""
    _, _, purchase = await paid(shop, "five")
    expanded: Any = {"expand[]": "latest_charge"}
    intent = await shop.stripe("GET", f"/payment_intents/{purchase['transactionId']}", **expanded)
    assert (intent["receipt_email"], intent["latest_charge"]["receipt_email"]) == (None, None)
