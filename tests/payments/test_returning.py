"""A credit that comes back after its money has gone: it is taken again, once, and nobody trains for nothing."""

from __future__ import annotations

import asyncio

import pytest

from tests.bookings.market import Data, Somebody
from tests.payments.books import Books, reconcile
from tests.payments.purchases import disputed, shows
from tests.payments.shop import Shop

WAYS = ("credit", "card")


async def booked(shop: Shop, trainer: Somebody, client: Somebody, pay_with: str) -> tuple[Data, Data]:
    """A session ahead, paid by card or with the one credit that was bought; and its payment."""
    start = shop.market.at(10)
    if pay_with == "card":
        answer = await shop.market.book(client, trainer, start, pay_with="card")
        assert answer.status == 201, answer
        await shop.pay(answer.body)
        (found,) = (await shop.market.call("GET", "/transactions", None, client)).body["items"]
        await shows(shop, client, found, status="paid")
        return answer.body, await shop.purchase(client, found)
    purchase = await shop.bought(client, trainer, "single")
    await shop.pay(purchase)
    await shop.granted(client, trainer, 1)
    return await shop.market.booked(client, trainer, start), await shop.purchase(client, purchase)


async def refunded_elsewhere(shop: Shop, client: Somebody, purchase: Data) -> Data:
    made = await shop.stripe("POST", "/refunds", payment_intent=purchase["transactionId"])
    await shows(shop, client, purchase, status="refunded")
    return made


async def cancelled(shop: Shop, booking: Data, who: Somebody) -> None:
    answer = await shop.market.cancel(booking, who)
    assert (answer.status, answer.body["status"]) == (200, "cancelled"), answer


async def would_return(shop: Shop, booking: Data, who: Somebody) -> bool:
    preview = await shop.market.call("GET", f"/bookings/{booking['id']}/cancellation", None, who)
    assert (preview.status, preview.body["free"]) == (200, True), preview
    return bool(preview.body["creditReturned"])


async def ledger(shop: Shop, client: Somebody, trainer: Somebody) -> list[tuple[str, int]]:
    found = await shop.market.store.credits.entries(client.profile, trainer.profile)
    return [(one.kind, one.amount) for one in found]


@pytest.mark.parametrize("pay_with", WAYS)
async def test_after_a_refund_at_stripe(shop: Shop, pay_with: str) -> None:
    trainer, client = await shop.seller(), await shop.market.client()
    booking, purchase = await booked(shop, trainer, client, pay_with)
    assert await would_return(shop, booking, client)
    await refunded_elsewhere(shop, client, purchase)
    assert not await would_return(shop, booking, client)
    await cancelled(shop, booking, client)
    assert (await ledger(shop, client, trainer))[-2:] == [("return", 1), ("refund", -1)]
    await shop.granted(client, trainer, 0)
    await shows(shop, client, purchase, creditsRefunded=1)
    assert (await shop.market.book(client, trainer, shop.market.at(12))).code == "insufficient_credit"
    # Told once more it changes nothing.
    (intent,) = await shop.intents(purchase)
    await shop.control("POST", "/events", type="charge.refunded", object=intent["latest_charge"])
    await reconcile(shop)
    await Books(shop, client, trainer).check()
    await shop.granted(client, trainer, 0)


@pytest.mark.parametrize("pay_with", WAYS)
async def test_after_a_dispute_that_was_lost(shop: Shop, pay_with: str) -> None:
    trainer, client = await shop.seller(), await shop.market.client()
    booking, purchase = await booked(shop, trainer, client, pay_with)
    dispute = await disputed(shop, purchase)
    await shows(shop, client, purchase, dispute="open", creditsFrozen=0)
    await shop.control("POST", f"/disputes/{dispute}/close", outcome="lost")
    await shows(shop, client, purchase, dispute="lost")
    await cancelled(shop, booking, trainer)
    await shop.granted(client, trainer, 0)
    await shows(shop, client, purchase, creditsFrozen=1)
    await reconcile(shop)
    await Books(shop, client, trainer).check()


@pytest.mark.parametrize("pay_with", WAYS)
async def test_while_a_dispute_is_open_it_is_frozen_and_won_given_back(shop: Shop, pay_with: str) -> None:
    trainer, client = await shop.seller(), await shop.market.client()
    booking, purchase = await booked(shop, trainer, client, pay_with)
    await shop.control("POST", "/balance", amount=1_000_000)
    dispute = await disputed(shop, purchase)
    await shows(shop, client, purchase, dispute="open")
    await cancelled(shop, booking, client)
    # At once, not when somebody looks.
    assert await shop.market.balance(client, trainer) == 0
    await shop.control("POST", f"/disputes/{dispute}/close", outcome="won")
    await shop.granted(client, trainer, 1)
    await shows(shop, client, purchase, creditsFrozen=0)
    await reconcile(shop)
    await Books(shop, client, trainer).check()


async def test_one_that_was_won_before_takes_nothing(shop: Shop) -> None:
    trainer, client = await shop.seller(), await shop.market.client()
    booking, purchase = await booked(shop, trainer, client, "credit")
    await shop.control("POST", "/balance", amount=1_000_000)
    dispute = await disputed(shop, purchase)
    await shows(shop, client, purchase, dispute="open")
    await shop.control("POST", f"/disputes/{dispute}/close", outcome="won")
    await shows(shop, client, purchase, dispute="won")
    await cancelled(shop, booking, client)
    await shop.granted(client, trainer, 1)


@pytest.mark.parametrize("returns", ["before", "after"])
async def test_the_bank_sends_that_refund_back(shop: Shop, returns: str) -> None:
    trainer, client = await shop.seller(), await shop.market.client()
    booking, purchase = await booked(shop, trainer, client, "credit")
    await shop.control("POST", "/balance", amount=1_000_000)
    made = await refunded_elsewhere(shop, client, purchase)
    if returns == "before":
        await cancelled(shop, booking, client)
        await shop.granted(client, trainer, 0)
    await shop.control("POST", f"/refunds/{made['id']}/fail")
    await shows(shop, client, purchase, status="paid", creditsRefunded=0)
    if returns == "after":
        await cancelled(shop, booking, client)
    await shop.granted(client, trainer, 1)
    await reconcile(shop)
    await Books(shop, client, trainer).check()


async def test_what_was_bought_since_is_not_taken(shop: Shop) -> None:
    trainer, client = await shop.seller(), await shop.market.client()
    booking, purchase = await booked(shop, trainer, client, "credit")
    await refunded_elsewhere(shop, client, purchase)
    shop.market.clock.advance(minutes=1)
    other = await shop.bought(client, trainer, "single")
    await shop.pay(other)
    await shop.granted(client, trainer, 1)
    later = await shop.market.booked(client, trainer, shop.market.at(14))
    await cancelled(shop, later, client)
    await shop.granted(client, trainer, 1)
    await cancelled(shop, booking, client)
    await shop.granted(client, trainer, 1)
    await reconcile(shop)
    await Books(shop, client, trainer).check()


async def test_only_what_the_money_paid_for_is_taken(shop: Shop) -> None:
    trainer, client = await shop.seller(), await shop.market.client()
    purchase = await shop.bought(client, trainer, "five")
    await shop.pay(purchase)
    await shop.granted(client, trainer, 5)
    purchase = await shop.purchase(client, purchase)
    bookings = [await shop.market.booked(client, trainer, shop.market.at(hour)) for hour in range(8, 13)]
    amount = purchase["amount"] * 2 // 5
    await shop.stripe("POST", "/refunds", payment_intent=purchase["transactionId"], amount=str(amount))
    await shows(shop, client, purchase, status="partially_refunded", creditsRefunded=0)
    answers = await asyncio.gather(*(shop.market.cancel(one, client, node=n % 2) for n, one in enumerate(bookings)))
    assert [one.status for one in answers] == [200] * 5
    await shop.granted(client, trainer, 3)
    await shows(shop, client, purchase, creditsRefunded=2)
    # What is left is refunded as what it is.
    admin = await shop.market.somebody("admin")
    path = f"/admin/transactions/{purchase['id']}/refund"
    answer = await shop.market.call("POST", path, {}, admin, key="rest")
    assert (answer.status, answer.body["amountRefunded"]) == (200, purchase["amount"]), answer
    await reconcile(shop)
    await Books(shop, client, trainer).check()


async def test_it_comes_back_in_the_moment_in_which_its_money_goes(shop: Shop) -> None:
    trainer = await shop.seller()
    for number in range(6):
        client = await shop.market.client()
        purchase = await shop.bought(client, trainer, "single")
        await shop.pay(purchase)
        await shop.granted(client, trainer, 1)
        purchase = await shop.purchase(client, purchase)
        booking = await shop.market.booked(client, trainer, shop.market.at(10, days=3 + number))
        await asyncio.gather(
            shop.stripe("POST", "/refunds", payment_intent=purchase["transactionId"]),
            shop.market.cancel(booking, client, node=1),
        )
        await shows(shop, client, purchase, status="refunded", creditsRefunded=1)
        await shop.granted(client, trainer, 0)
