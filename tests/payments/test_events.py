"""What becomes of a payment is told to other systems, each thing once, with the transaction that did it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.bookings.market import Data
from tests.payments.shop import PRICES, Shop
from tests.webhooks.receiver import Receiver, receiving

EVENTS = ["payment.paid", "payment.refunded", "dispute.opened", "dispute.closed"]


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving(Receiver()) as found:
        yield found


async def test_payments_refunds_and_disputes_are_told(
    shop: Shop, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    market, admin = shop.market, await shop.market.somebody("admin")
    for node in market.nodes:
        monkeypatch.setattr(node.webhooks, "allows_private", True)
    endpoint = (await market.call("POST", "/admin/webhooks", {"url": receiver.url, "events": EVENTS}, admin)).body
    for node in market.nodes:
        node.store.webhook_deliveries.look_again()

    async def told(kind: str) -> Data:
        said: Data = (await receiver.next()).verified(endpoint["secret"])
        assert said["type"] == kind, said
        found: Data = said["data"]
        return found

    trainer, client = await shop.seller(), await market.client()
    bought = await shop.bought(client, trainer)
    await shop.pay(bought)
    paid = await told("payment.paid")
    assert paid == {
        "id": bought["id"], "amount": PRICES["five"], "currency": "usd", "credits": 5, "bookingId": None,
        "client": {"id": client.profile, "userId": client.id},
        "trainer": {"id": trainer.profile, "userId": trainer.id},
    }  # fmt: skip
    path = f"/admin/transactions/{bought['id']}/refund"
    assert (await market.call("POST", path, {"credits": 2}, admin, key="refund")).status == 200
    refunded = await told("payment.refunded")
    assert (refunded["credits"], refunded["amount"]) == (2, PRICES["five"] * 2 // 5)
    other = await shop.bought(client, trainer)
    await shop.pay(other)
    assert (await told("payment.paid"))["id"] == other["id"]
    intent = (await shop.purchase(client, other))["transactionId"]
    dispute = await shop.control("POST", "/disputes", payment_intent=intent)
    opened = await told("dispute.opened")
    assert (opened["id"], opened["amount"], "outcome" in opened) == (other["id"], PRICES["five"], False)
    await shop.control("POST", f"/disputes/{dispute['id']}/close", outcome="won")
    assert (await told("dispute.closed"))["outcome"] == "won"
    assert receiver.taken.empty()
    assert (await market.call("DELETE", f"/admin/webhooks/{endpoint['id']}", None, admin)).status == 204
