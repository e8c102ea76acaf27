"""Stripe hangs, fails and loses answers: nothing is half done, and a repeat goes on where the last try ended."""

from __future__ import annotations

from typing import Any

import pytest

from tests.payments.shop import Shop

CALLS = {
    "account": ("GET", "/v1/accounts/.*"),
    "customer": ("POST", "/v1/customers"),
    "intent": ("POST", "/v1/payment_intents"),
    "session": ("POST", "/v1/customer_sessions"),
}
FAULTS: dict[str, dict[str, Any]] = {
    "refused": {"action": "error", "status": 500},
    "too many": {"action": "error", "status": 429, "retry_after": 3},
    "at work": {"action": "error", "status": 409},
    "lost": {"action": "lose", "after": True},
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("call", CALLS)
async def test_a_purchase_goes_on_where_it_stopped(untold: Shop, call: str, fault: str) -> None:
    shop = untold
    trainer, client = await shop.seller(), await shop.market.client()
    method, path = CALLS[call]
    await shop.control("POST", "/faults", method=method, path=path, **FAULTS[fault])
    refused = await shop.buy(client, trainer, "five", key="one")
    # What only reads may be asked again by the HTTP client itself.
    if (call, fault) != ("account", "lost"):
        assert (refused.status, refused.code) == (503, "unavailable"), refused
    repeated = await shop.buy(client, trainer, "five", key="one", node=1)
    assert repeated.status == 201, repeated
    assert len(await shop.intents(repeated.body)) == 1
    listed = (await shop.market.call("GET", "/transactions", None, client)).body["items"]
    assert [one["id"] for one in listed] == [repeated.body["id"]]
    await shop.pay(repeated.body)
    assert (await shop.purchase(client, repeated.body))["status"] == "paid"
    assert await shop.market.balance(client, trainer) == 5


async def test_everything_else_goes_on_without_stripe(shop: Shop) -> None:
    trainer, client = await shop.seller(), await shop.market.client()
    purchase = await shop.bought(client, trainer, "single")
    await shop.market.grant(client, trainer, 1)
    await shop.control("POST", "/faults", action="error", status=503, times=1000)
    assert (await shop.purchase(client, purchase))["status"] == "pending"
    assert (await shop.buy(client, trainer)).code == "unavailable"
    await shop.market.booked(client, trainer, shop.market.at(10))
