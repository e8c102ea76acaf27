"""From the purchase to what the trainer earns, as both phones and both browsers see it: by credit, and by card."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

import pytest

from domain.payments import PaymentNotice
from domain.times import to_wire
from domain.wire.events import BOOKINGS, CONVERSATIONS
from handlers.payments.outbox import payment_notices_job, publish_pending
from tests.bookings.market import Data, Somebody
from tests.harness.devices import Device, device
from tests.harness.people import Person
from tests.harness.work import work_off
from tests.payments.books import Books, reconcile
from tests.payments.shop import DECLINED, PRICES, Shop


@asynccontextmanager
async def phone(shop: Shop, who: Somebody, node: int) -> AsyncIterator[Device]:
    token = await shop.market.token(who)
    person = Person(who.id, who.person.role, who.person.email, token, who.person.session_id)
    async with device(shop.market.urls[node], person, (BOOKINGS, CONVERSATIONS)) as found:
        yield found


async def booked(phone: Device, trainer: Somebody, start: datetime, pay_with: str) -> Data:
    wanted = {"trainerId": trainer.profile, "startsAt": to_wire(start), "payWith": pay_with}
    return await phone.do("booking:create", {**wanted, "idempotencyKey": f"{pay_with} {start}"}, BOOKINGS)


async def payments(phone: Device, count: int) -> list[Data]:
    def of(device: Device) -> list[Data]:
        messages = [one["message"] for one in device.events("message:new")]
        return [one["payment"] for one in messages if one["kind"] == "payment"]

    await phone.until(lambda device: len(of(device)) >= count)
    return of(phone)


async def earned(shop: Shop, trainer: Somebody) -> tuple[list[Data], list[Data], list[str]]:
    """The sums, the payments, and the lines of the table."""
    today = shop.market.clock().date()
    span = {"from": str(today - timedelta(days=40)), "to": str(today)}
    page = (await shop.market.call("GET", "/me/earnings", None, trainer, query=span)).body
    headers = {"Authorization": f"Bearer {await shop.market.token(trainer)}", "Accept": "text/csv"}
    async with shop.market.http.get(f"{shop.market.urls[1]}/v1/me/earnings", headers=headers, params=span) as table:
        assert (table.status, table.content_type) == (200, "text/csv")
        return page["sums"], page["items"], (await table.text()).splitlines()


async def completes(shop: Shop, booking: Data, *phones: Device) -> None:
    shop.market.clock.now = datetime.fromisoformat(booking["endsAt"]) + timedelta(minutes=15)
    await reconcile(shop)
    for one in phones:
        (told,) = await one.receive("booking:completed")
        assert (told["booking"]["id"], told["booking"]["status"]) == (booking["id"], "completed")


@pytest.fixture
def kept_notices(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a payment has to be told stays noted, as by a node that dies when it has told it."""

    async def keep(notice: PaymentNotice) -> None:
        """Instead of removing it."""

    for node in shop.market.nodes:
        monkeypatch.setattr(node.store.payment_notices, "done", keep)


@pytest.mark.usefixtures("kept_notices")
async def test_a_payment_is_told_once_by_however_many_nodes_publish_it(shop: Shop) -> None:
    trainer, client = await shop.seller(), await shop.market.client()
    async with phone(shop, client, 0) as his:
        purchase = await shop.bought(client, trainer, "five")
        assert await shop.pay(purchase) == 200
        await his.receive("credit:changed")
        for node in shop.market.nodes:
            assert not await publish_pending(node.context, purchase["id"])
        await booked(his, trainer, shop.market.at(9), "credit")
        await his.receive("credit:changed", 2)
        assert [event["amountOfCredit"] for event in his.events("credit:changed")] == [5, 4]


@pytest.mark.usefixtures("kept_notices")
async def test_who_finds_a_payment_told_cannot_know_whether_it_arrived(shop: Shop) -> None:
    """The client is told to look."""
    trainer, client = await shop.seller(), await shop.market.client()
    async with phone(shop, client, 0) as his, phone(shop, trainer, 1) as hers:
        assert await shop.pay(await shop.bought(client, trainer, "five")) == 200
        await his.receive("credit:changed")
        shop.market.clock.advance(seconds=10)
        await work_off(payment_notices_job(shop.market.nodes[1].context), shop.market.clock)
        await his.receive("sync:required")
        await hers.do("booking:list", {}, BOOKINGS)
        assert hers.events("sync:required") == []


async def test_a_credit_from_its_purchase_to_what_it_earned(shop: Shop) -> None:
    trainer, client = await shop.seller(), await shop.market.client()
    async with phone(shop, client, 0) as his, phone(shop, trainer, 1) as hers:
        purchase = await shop.bought(client, trainer, "five")
        assert await shop.pay(purchase) == 200
        paid = {"purchaseId": purchase["id"], "action": "paid", "credits": 5, "amount": 22500, "currency": "usd"}
        assert await payments(his, 1) == await payments(hers, 1) == [paid]
        (credit,) = await his.receive("credit:changed")
        assert (credit["trainerId"], credit["amountOfCredit"]) == (trainer.profile, 5)
        assert hers.events("credit:changed") == []
        booking = await booked(his, trainer, shop.market.at(9), "credit")
        assert booking["status"] == "confirmed"
        await hers.receive("booking:created")
        assert (await his.receive("credit:changed", 2))[-1]["amountOfCredit"] == 4
        await completes(shop, booking, his, hers)
    (row,) = (await shop.market.call("GET", "/credits", None, client)).body["items"]
    assert row["amountOfCredit"] == 4
    path, words = f"/bookings/{booking['id']}/review", {"rating": 5, "comment": "good"}
    assert (await shop.market.call("POST", path, words, client)).status == 201
    await is_earned(shop, trainer, purchase["id"], PRICES["five"])
    await Books(shop, client, trainer).check()


async def is_earned(shop: Shop, trainer: Somebody, purchase_id: str, amount: int) -> None:
    """And at Stripe it is as much."""
    sums, items, lines = await earned(shop, trainer)
    fee = amount // 10
    figures: dict[str, Any] = {"count": 1, "status": "paid", "amount": amount, "fee": fee, "net": amount - fee}
    assert [{name: one[name] for name in figures} for one in sums] == [figures]
    assert [(one["id"], one["net"]) for one in items] == [(purchase_id, amount - fee)]
    assert len(lines) == 2 and purchase_id in lines[1]
    profile = await shop.market.store.profiles.by_id("trainer", trainer.profile)
    assert profile is not None and profile.stripe_connect_account_id is not None
    account = {"Stripe-Account": profile.stripe_connect_account_id}
    balance = await shop.stripe("GET", "/balance", headers=account)
    assert sum(one["amount"] for kind in ("available", "pending") for one in balance[kind]) == amount - fee


async def test_a_card_from_its_hold_to_what_it_earned(shop: Shop) -> None:
    trainer, client, other = await shop.seller(), await shop.market.client(), await shop.market.client()
    async with phone(shop, client, 0) as his, phone(shop, trainer, 1) as hers, phone(shop, other, 1) as theirs:
        start = shop.market.at(9)
        # Somebody else was first, whose card is no good.
        first = await booked(theirs, trainer, start, "card")
        assert (await his.ask("booking:create", {
            "trainerId": trainer.profile, "startsAt": to_wire(start), "payWith": "card", "idempotencyKey": "late"
        }, BOOKINGS))["error"]["code"] == "slot_taken"  # fmt: skip
        assert await shop.pay(first, DECLINED) == 402
        await theirs.receive("booking:expired")
        held = await booked(his, trainer, start, "card")
        assert held["status"] == "held"
        assert await shop.pay(held) == 200
        for one in (his, hers):
            (told,) = await one.receive("booking:confirmed")
            assert (told["booking"]["id"], told["booking"]["status"]) == (held["id"], "confirmed")
        assert [(one["action"], one["credits"]) for one in await payments(his, 1)] == [("paid", 0)]
        await completes(shop, held, his, hers)
    (transaction,) = await Books(shop, client, trainer).check()
    (failed,) = await Books(shop, other, trainer).check()
    assert (transaction.status, failed.status) == ("paid", "failed")
    assert await shop.market.balance(client, trainer) == 0
    await is_earned(shop, trainer, transaction.id, PRICES["single"])
