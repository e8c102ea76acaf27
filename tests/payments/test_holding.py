"""A slot paid by card: held, confirmed when it is paid, free when it is not, and never a loss."""

from __future__ import annotations

import asyncio

import pytest

from handlers.bookings.due import due_bookings_job
from handlers.payments.fulfilment import payments_job
from handlers.payments.holds import MAX_HOLDS
from tests.bookings.market import Answer, Data, Somebody
from tests.harness.waiting import eventually
from tests.harness.work import work_off
from tests.payments.shop import DECLINED, PRICES, Shop


async def held(shop: Shop, trainer: Somebody, client: Somebody, hour: int = 10) -> Data:
    answer = await shop.market.book(client, trainer, shop.market.at(hour), pay_with="card")
    assert answer.status == 201, answer
    found: Data = answer.body
    return found


async def booking(shop: Shop, who: Somebody, held: Data) -> Data:
    found: Data = (await shop.market.call("GET", f"/bookings/{held['id']}", None, who)).body
    return found


async def has(shop: Shop, who: Somebody, held: Data, status: str) -> None:
    async def it_has() -> bool:
        return bool((await booking(shop, who, held))["status"] == status)

    await eventually(it_has)


async def time_passes(shop: Shop) -> None:
    context = shop.market.nodes[0].context
    await work_off(due_bookings_job(context), shop.market.clock)
    await work_off(payments_job(context), shop.market.clock)


async def test_a_hold_that_is_paid_is_a_booking(shop: Shop) -> None:
    trainer, client = await shop.seller(), await shop.market.client()
    found = await held(shop, trainer, client)
    assert (found["status"], found["paidWith"]) == ("held", "card")
    assert set(found["payment"]) == {"clientSecret", "publishableKey", "apiBase", "expiresAt"}
    assert await shop.pay(found) == 200
    await has(shop, client, found, "confirmed")
    assert await shop.market.balance(client, trainer) == 0
    await shop.told(client, 1)
    (entry,) = await shop.entries(client)
    assert (entry["action"], entry["credits"], entry["amount"]) == ("paid", 0, PRICES["single"])
    log = await shop.market.log(client, trainer)
    assert [one["action"] for one in log] == ["created", "confirmed"]
    (listed,) = (await shop.market.call("GET", "/transactions", None, client)).body["items"]
    assert (listed["status"], listed["booking"]) == ("paid", found["id"])
    # Its money is a credit once it is cancelled freely.
    preview = (await shop.market.call("GET", f"/bookings/{found['id']}/cancellation", None, client)).body
    assert preview["creditReturned"] is True
    admin = await shop.market.somebody("admin")
    path = f"/admin/transactions/{listed['id']}/refund"
    assert (await shop.market.call("POST", path, {}, admin, key="early")).code == "conflict"
    assert (await shop.market.cancel(found, client)).status == 200
    assert await shop.market.balance(client, trainer) == 1
    assert (await shop.market.call("POST", path, {}, admin, key="late")).body["status"] == "refunded"
    assert await shop.market.balance(client, trainer) == 0


@pytest.mark.parametrize("blocker", ["client", "trainer"])
async def test_nothing_is_held_or_bought_while_one_blocks_the_other(shop: Shop, blocker: str) -> None:
    trainer, client = await shop.seller(), await shop.market.client()
    found = await held(shop, trainer, client)
    one, other = (client, trainer) if blocker == "client" else (trainer, client)
    assert (await shop.market.call("PUT", f"/me/blocks/{other.id}", None, one)).status == 204
    for node in (0, 1):
        answer = await shop.market.book(client, trainer, shop.market.at(12), pay_with="card", node=node)
        assert answer.code == "forbidden"
        assert (await shop.buy(client, trainer, node=node)).code == "forbidden"
    listed = (await shop.market.call("GET", "/transactions", None, client)).body["items"]
    assert [one["booking"] for one in listed] == [found["id"]]
    # What was held before stays, and is paid.
    assert await shop.pay(found) == 200
    await has(shop, client, found, "confirmed")
    assert (await shop.market.call("DELETE", f"/me/blocks/{other.id}", None, one)).status == 204

    async def is_sold() -> bool:
        return (await shop.buy(client, trainer)).status == 201

    await eventually(is_sold)


async def test_a_decline_frees_the_slot_at_once(shop: Shop) -> None:
    trainer, client, other = await shop.seller(), await shop.market.client(), await shop.market.client()
    found = await held(shop, trainer, client)
    taken = await shop.market.book(other, trainer, shop.market.at(10), pay_with="card")
    assert taken.code == "slot_taken"
    assert await shop.pay(found, DECLINED) == 402
    await has(shop, client, found, "expired")
    intent = await shop.stripe("GET", f"/payment_intents/{found['payment']['clientSecret'].partition('_secret_')[0]}")
    assert intent["status"] == "canceled"
    assert await shop.pay(await held(shop, trainer, other)) == 200


async def test_a_hold_that_nobody_pays_expires_and_cannot_be_paid(untold: Shop) -> None:
    shop = untold
    trainer, client = await shop.seller(), await shop.market.client()
    found = await held(shop, trainer, client)
    shop.market.clock.advance(minutes=15)
    await time_passes(shop)
    await has(shop, client, found, "expired")

    async def is_cancelled() -> bool:
        intent = found["payment"]["clientSecret"].partition("_secret_")[0]
        return bool((await shop.stripe("GET", f"/payment_intents/{intent}"))["status"] == "canceled")

    await eventually(is_cancelled)
    assert await shop.pay(found) >= 400
    assert await shop.market.balance(client, trainer) == 0


@pytest.mark.parametrize("first", ["hold", "payment"])
async def test_one_paid_in_its_last_second_is_a_booking_or_a_credit(untold: Shop, first: str) -> None:
    shop = untold
    trainer, client = await shop.seller(), await shop.market.client()
    found = await held(shop, trainer, client)
    assert await shop.pay(found) == 200
    shop.market.clock.advance(minutes=15)
    context = shop.market.nodes[0].context
    jobs = [due_bookings_job(context), payments_job(context)]
    for job in jobs if first == "hold" else reversed(jobs):
        await work_off(job, shop.market.clock)

    async def is_settled() -> bool:
        status = (await booking(shop, client, found))["status"]
        credits = await shop.market.store.credits.balance(client.profile, trainer.profile)
        return (status, credits) in (("confirmed", 0), ("expired", 1))

    await eventually(is_settled)


async def test_an_abandoned_hold_is_answered_again(shop: Shop) -> None:
    trainer, client = await shop.seller(), await shop.market.client()
    first = await held(shop, trainer, client)
    again = await held(shop, trainer, client)
    assert again == first
    start = shop.market.at(11)
    ask = (shop.market.book(client, trainer, start, pay_with="card", key="one", node=number) for number in range(4))
    answers: list[Answer] = await asyncio.gather(*ask)
    assert {one.status for one in answers} == {201}
    assert len({one.body["payment"]["clientSecret"] for one in answers}) == 1


async def test_one_that_is_cancelled_cannot_be_paid(untold: Shop) -> None:
    shop = untold
    trainer, client = await shop.seller(), await shop.market.client()
    found = await held(shop, trainer, client)
    assert (await shop.market.cancel(found, client)).status == 200
    shop.market.clock.advance(minutes=1)
    await time_passes(shop)

    async def is_cancelled() -> bool:
        intent = found["payment"]["clientSecret"].partition("_secret_")[0]
        return bool((await shop.stripe("GET", f"/payment_intents/{intent}"))["status"] == "canceled")

    await eventually(is_cancelled)
    assert await shop.pay(found) >= 400
    assert await shop.market.balance(client, trainer) == 0


async def test_two_race_for_the_last_slot(shop: Shop) -> None:
    trainer = await shop.seller()
    clients = [await shop.market.client() for _ in range(4)]
    start = shop.market.at(12)
    answers = await asyncio.gather(
        *(shop.market.book(one, trainer, start, pay_with="card", node=n) for n, one in enumerate(clients))
    )
    assert sorted(one.status for one in answers) == [201, 409, 409, 409]
    assert {one.code for one in answers if one.status == 409} == {"slot_taken"}


async def test_who_pays_nothing_holds_few(untold: Shop) -> None:
    shop = untold
    trainer, client = await shop.seller(), await shop.market.client()
    first, *_ = [await held(shop, trainer, client, 9 + number) for number in range(MAX_HOLDS)]
    refused = await shop.market.book(client, trainer, shop.market.at(20), pay_with="card")
    assert refused.code == "conflict"
    assert await shop.pay(first) == 200
    (*_, oldest) = (await shop.market.call("GET", "/transactions", None, client)).body["items"]
    assert (await shop.purchase(client, oldest))["status"] == "paid"
    assert (await shop.market.book(client, trainer, shop.market.at(20), pay_with="card")).status == 201


async def test_stripe_away_leaves_nothing_half_done(untold: Shop) -> None:
    shop = untold
    trainer, client = await shop.seller(), await shop.market.client()
    await shop.control("POST", "/faults", action="error", method="POST", path="/v1/payment_intents", status=500)
    start = shop.market.at(10)
    assert (await shop.market.book(client, trainer, start, pay_with="card", key="one")).code == "unavailable"
    repeated = await shop.market.book(client, trainer, start, pay_with="card", key="one", node=1)
    assert repeated.status == 201
    assert await shop.pay(repeated.body) == 200


async def test_who_takes_no_cards_holds_nothing(shop: Shop) -> None:
    trainer, client = await shop.market.trainer(), await shop.market.client()
    assert (await shop.market.book(client, trainer, shop.market.at(10), pay_with="card")).code == "conflict"
