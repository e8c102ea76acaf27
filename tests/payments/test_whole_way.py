"""From a purchase to a credit, a booking, its completion and the trainer's earnings; on phones and over HTTP."""

from __future__ import annotations

from domain.times import to_wire
from domain.wire.events import BOOKINGS
from handlers.bookings.due import due_bookings
from tests.bookings.market import Data, Somebody
from tests.bookings.test_live import phone
from tests.harness.work import work_off
from tests.payments.shop import PRICES, Shop


async def completed(shop: Shop) -> None:
    """Twenty minutes after a session that began at ten, tomorrow."""
    shop.market.clock.now = shop.market.at(11, 20)
    await work_off(due_bookings(shop.market.nodes[0].context), shop.market.clock)


async def earned(shop: Shop, trainer: Somebody, purchase: str, amount: int) -> None:
    found: Data = (await shop.market.call("GET", "/me/earnings", None, trainer)).body
    (item,) = found["items"]
    assert (item["id"], item["status"], item["amount"]) == (purchase, "paid", amount)
    assert (item["fee"], item["net"]) == (amount // 10, amount - amount // 10)
    (one,) = found["sums"]
    assert (one["count"], one["net"]) == (1, item["net"])


async def test_with_a_credit(shop: Shop) -> None:
    trainer, client = await shop.seller(), await shop.market.client()
    async with phone(shop.market, client) as his, phone(shop.market, trainer, 1) as hers:
        purchase = await shop.bought(client, trainer, "single")
        assert await shop.pay(purchase) == 200
        (credit,) = await his.receive("credit:changed")
        assert (credit["trainerId"], credit["amountOfCredit"]) == (trainer.profile, 1)
        for device in (his, hers):
            (new,) = await device.receive("message:new")
            assert new["message"]["kind"] == "payment"
            assert new["message"]["payment"]["purchaseId"] == purchase["id"]
        asked = {
            "trainerId": trainer.profile,
            "startsAt": to_wire(shop.market.at(10)),
            "payWith": "credit",
            "idempotencyKey": "one",
        }
        booking = await his.do("booking:create", asked, BOOKINGS)
        assert booking["status"] == "confirmed"
        await completed(shop)
        for device in (his, hers):
            (event,) = await device.receive("booking:completed")
            assert event["booking"]["id"] == booking["id"]
        assert await shop.market.balance(client, trainer) == 0
        await earned(shop, trainer, purchase["id"], PRICES["single"])


async def test_with_a_card(shop: Shop) -> None:
    trainer, client = await shop.seller(), await shop.market.client()
    async with phone(shop.market, client) as his, phone(shop.market, trainer, 1) as hers:
        asked = {
            "trainerId": trainer.profile,
            "startsAt": to_wire(shop.market.at(10)),
            "payWith": "card",
            "idempotencyKey": "one",
        }
        held = await his.do("booking:create", asked, BOOKINGS)
        assert (held["status"], set(held["payment"])) == (
            "held", {"clientSecret", "publishableKey", "apiBase", "expiresAt"}
        )  # fmt: skip
        (created,) = await hers.receive("booking:created")
        assert "payment" not in created["booking"]
        assert await shop.pay(held) == 200
        for device in (his, hers):
            (event,) = await device.receive("booking:confirmed")
            assert (event["booking"]["id"], event["booking"]["status"]) == (held["id"], "confirmed")
            assert "payment" not in event["booking"]
        await completed(shop)
        for device in (his, hers):
            assert len(await device.receive("booking:completed")) == 1
        (paid,) = (await shop.market.call("GET", "/transactions", None, client)).body["items"]
        assert (paid["status"], paid["booking"]) == ("paid", held["id"])
        await earned(shop, trainer, paid["id"], PRICES["single"])
