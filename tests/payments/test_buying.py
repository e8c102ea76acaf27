"""Buying sessions: what is answered, when credits appear, and what is refused."""

from __future__ import annotations

import asyncio

import pytest

from domain.errors import Code, DomainError
from handlers.payments import fulfilment
from handlers.payments.fulfilment import payments_job
from tests.harness.work import work_off
from tests.payments.shop import DECLINED, PRICES, Shop


async def test_from_the_purchase_to_a_booking(shop: Shop) -> None:
    trainer, client = await shop.seller(), await shop.market.client()
    purchase = await shop.bought(client, trainer, "five")
    assert (purchase["status"], purchase["credits"]) == ("pending", 5)
    assert (purchase["amount"], purchase["currency"]) == (PRICES["five"], "usd")
    payment = purchase["payment"]
    assert set(payment) == {
        "clientSecret", "publishableKey", "customer", "customerSessionClientSecret", "apiBase"
    }  # fmt: skip
    assert await shop.pay(purchase) == 200
    await shop.granted(client, trainer, 5)
    paid = await shop.purchase(client, purchase)
    assert paid["status"] == "paid"
    assert paid["transactionId"] == payment["clientSecret"].partition("_secret_")[0]
    (intent,) = await shop.intents(purchase)
    assert intent["application_fee_amount"] == PRICES["five"] // 10
    assert intent["receipt_email"] is None
    await shop.told(client, 1)
    assert await shop.entries(client) == [
        {"purchaseId": purchase["id"], "action": "paid", "credits": 5, "amount": PRICES["five"], "currency": "usd"}
    ]
    assert await shop.entries(trainer) == await shop.entries(client)
    await shop.market.booked(client, trainer, shop.market.at(10))
    assert await shop.market.balance(client, trainer) == 4
    credits = (await shop.market.call("GET", "/credits", None, client)).body
    assert [(one["trainer"], one["amountOfCredit"]) for one in credits["items"]] == [(trainer.profile, 4)]
    for who in (client, trainer):
        listed = (await shop.market.call("GET", "/transactions", None, who)).body
        assert listed == {"items": [paid], "nextCursor": None}


async def test_a_reader_finds_what_nobody_told(untold: Shop) -> None:
    shop = untold
    trainer, client = await shop.seller(), await shop.market.client()
    purchase = await shop.bought(client, trainer, "single")
    assert (await shop.purchase(client, purchase))["status"] == "pending"
    await shop.pay(purchase)
    answers = await asyncio.gather(*(shop.purchase(client, purchase, node=number) for number in range(6)))
    assert {one["status"] for one in answers} == {"paid"}
    assert await shop.market.balance(client, trainer) == 1


async def test_durable_work_finds_what_nobody_looked_at(untold: Shop) -> None:
    shop = untold
    trainer, client = await shop.seller(), await shop.market.client()
    purchase = await shop.bought(client, trainer, "ten")
    await shop.pay(purchase)
    shop.market.clock.advance(minutes=5)
    await work_off(payments_job(shop.market.nodes[0].context), shop.market.clock)
    await shop.granted(client, trainer, 10)


async def test_a_declined_card_fails_and_the_next_one_may_do(shop: Shop) -> None:
    trainer, client = await shop.seller(), await shop.market.client()
    purchase = await shop.bought(client, trainer, "single")
    assert await shop.pay(purchase, DECLINED) == 402
    assert (await shop.purchase(client, purchase))["status"] == "failed"
    assert await shop.market.balance(client, trainer) == 0
    assert await shop.pay(purchase) == 200
    await shop.granted(client, trainer, 1)
    assert (await shop.purchase(client, purchase))["status"] == "paid"


async def test_a_repeat_under_the_key_is_the_same_purchase(shop: Shop) -> None:
    trainer, client = await shop.seller(), await shop.market.client()
    answers = await asyncio.gather(*(shop.buy(client, trainer, "five", key="one", node=n) for n in range(4)))
    assert {one.status for one in answers} == {201}
    assert len({one.body["id"] for one in answers}) == 1
    assert len({one.body["payment"]["clientSecret"] for one in answers}) == 1
    assert len(await shop.intents(answers[0].body)) == 1
    other = await shop.buy(client, trainer, "ten", key="one")
    assert other.code == "idempotency_conflict"


async def test_the_price_is_the_trainers_when_it_was_bought(shop: Shop) -> None:
    trainer, client = await shop.seller(), await shop.market.client()
    purchase = await shop.bought(client, trainer, "five")
    await shop.price(trainer, {"single": 100, "five": 100_00})
    await shop.pay(purchase)
    await shop.granted(client, trainer, 5)
    assert (await shop.purchase(client, purchase))["amount"] == PRICES["five"]


async def test_what_is_not_offered_cannot_be_bought(shop: Shop) -> None:
    trainer, client = await shop.seller(), await shop.market.client()
    await shop.price(trainer, {"single": 4000})
    assert (await shop.buy(client, trainer, "five")).code == "conflict"
    assert (await shop.buy(trainer, trainer, "single")).code == "forbidden"
    poor = await shop.market.trainer()
    assert (await shop.buy(client, poor, "single")).code == "conflict"
    nobody = await shop.market.client()
    assert (await shop.buy(client, nobody, "single")).code == "not_found"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"pack": "five"}, "trainerId"),
        ({"trainerId": "x", "pack": "five"}, "trainerId"),
        ({"trainerId": {"$ne": None}, "pack": "five"}, "trainerId"),
        ({"trainerId": "a" * 24, "pack": "two"}, "pack"),
        ({"trainerId": "a" * 24, "pack": "five", "amount": 1}, "amount"),
        ({"trainerId": "a" * 24, "pack": "five", "credits": 100}, "credits"),
    ],
)
async def test_a_bad_purchase_names_its_field(shop: Shop, body: dict[str, object], field: str) -> None:
    client = await shop.market.client()
    answer = await shop.market.call("POST", "/purchases", body, client, key="bad")
    assert (answer.status, answer.code) == (422, "validation_failed")
    assert [error["field"] for error in answer.body["errors"]] == [field]


async def test_a_purchase_needs_a_key(shop: Shop) -> None:
    client = await shop.market.client()
    answer = await shop.market.call("POST", "/purchases", {"trainerId": "a" * 24, "pack": "five"}, client)
    assert answer.code == "validation_failed"


async def test_a_purchase_of_others_is_not_found(shop: Shop) -> None:
    trainer, client, other = await shop.seller(), await shop.market.client(), await shop.market.client()
    purchase = await shop.bought(client, trainer, "single")
    answer = await shop.market.call("GET", f"/purchases/{purchase['id']}", None, other)
    assert answer.code == "not_found"
    assert (await shop.market.call("GET", "/transactions", None, other)).body["items"] == []


async def test_nobody_pays_for_a_day_and_it_cannot_be_paid_any_more(untold: Shop) -> None:
    shop = untold
    trainer, client = await shop.seller(), await shop.market.client()
    purchase = await shop.bought(client, trainer, "single")
    shop.market.clock.advance(hours=25)
    await work_off(payments_job(shop.market.nodes[0].context), shop.market.clock)
    assert (await shop.purchase(client, purchase))["status"] == "failed"
    (intent,) = await shop.intents(purchase)
    assert intent["status"] == "canceled"
    assert await shop.pay(purchase) >= 400
    assert await shop.market.balance(client, trainer) == 0


async def test_what_was_paid_in_the_last_moment_counts(untold: Shop) -> None:
    shop = untold
    trainer, client = await shop.seller(), await shop.market.client()
    purchase = await shop.bought(client, trainer, "single")
    await shop.pay(purchase)
    shop.market.clock.advance(hours=25)
    await work_off(payments_job(shop.market.nodes[0].context), shop.market.clock)
    await shop.granted(client, trainer, 1)


async def test_what_stripe_will_not_take_is_a_conflict(untold: Shop) -> None:
    shop = untold
    trainer, client, start = await shop.seller(), await shop.market.client(), shop.market.at(10)
    # Too small an amount in this currency, or an account that was restricted a moment ago.
    refusing = {"action": "error", "method": "POST", "path": "/v1/payment_intents", "status": 400}
    await shop.control("POST", "/faults", **refusing, times=2)
    assert (await shop.buy(client, trainer, "single")).code == "conflict"
    assert (await shop.market.book(client, trainer, start, pay_with="card")).code == "conflict"
    assert (await shop.market.book(client, trainer, start, pay_with="card")).status == 201
    listed = (await shop.market.call("GET", "/transactions", None, client)).body["items"]
    assert [one["status"] for one in listed] == ["pending", "failed", "failed"]
    other = await shop.market.trainer()
    await shop.control("POST", "/faults", action="error", method="POST", path="/v1/accounts", status=400)
    assert (await shop.market.call("POST", "/me/stripe/onboarding", None, other)).code == "conflict"


async def test_what_is_closed_while_stripe_makes_its_intent_cannot_be_paid(untold: Shop) -> None:
    shop = untold
    trainer, client = await shop.seller(), await shop.market.client()
    await shop.control("POST", "/faults", action="error", method="POST", path="/v1/payment_intents", status=500)
    assert (await shop.buy(client, trainer, "single", key="one")).code == "unavailable"
    context = shop.market.nodes[0].context
    (begun,) = await context.store.transactions.page(None, 1, client_id=client.profile)
    await context.store.transactions.fail(begun, shop.market.clock(), closed=True)
    # By who read it before.
    with pytest.raises(DomainError) as refused:
        await fulfilment.begun(context, begun)
    assert refused.value.code is Code.CONFLICT
    (intent,) = await shop.intents({"id": begun.id})
    assert intent["status"] == "canceled"
    assert (await shop.buy(client, trainer, "single", key="one")).code == "conflict"


async def test_an_erased_client_can_pay_nothing_any_more(untold: Shop) -> None:
    shop = untold
    trainer, client = await shop.seller(), await shop.market.client()
    purchase = await shop.bought(client, trainer, "single")
    await shop.market.store.erasures.erase(client.user, shop.market.clock())
    shop.market.clock.advance(minutes=5)
    await work_off(payments_job(shop.market.nodes[0].context), shop.market.clock)
    (intent,) = await shop.intents(purchase)
    assert intent["status"] == "canceled"


async def test_one_whose_intent_has_become_known_is_not_closed_without_it(untold: Shop) -> None:
    shop = untold
    trainer, client = await shop.seller(), await shop.market.client()
    await shop.control("POST", "/faults", action="error", method="POST", path="/v1/payment_intents", status=500)
    assert (await shop.buy(client, trainer, "single", key="one")).code == "unavailable"
    transactions = shop.market.store.transactions
    (before,) = await transactions.page(None, 10, client_id=client.profile)
    # Another node is at work on it for the last time when the repeat comes.
    purchase = (await shop.buy(client, trainer, "single", key="one")).body
    assert (await transactions.fail(before, shop.market.clock(), closed=True)).is_open
    await shop.pay(purchase)
    assert (await shop.purchase(client, purchase))["status"] == "paid"
