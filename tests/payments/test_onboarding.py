"""A trainer's account at Stripe, and that nobody sells before Stripe says so."""

from __future__ import annotations

import asyncio

from tests.harness.waiting import eventually
from tests.payments.shop import PRICES, Shop


async def test_from_nothing_to_selling(shop: Shop) -> None:
    trainer, client = await shop.market.trainer(), await shop.market.client()
    await shop.price(trainer, PRICES)
    nothing = {"isStripeConnected": False, "chargesEnabled": False, "payoutsEnabled": False}
    assert (await shop.market.call("GET", "/me/stripe", None, trainer)).body == nothing
    assert (await shop.market.call("POST", "/me/stripe/dashboard", None, trainer)).code == "conflict"
    first = await shop.market.call("POST", "/me/stripe/onboarding", None, trainer)
    assert set(first.body) == {"url", "expiresAt"}
    assert (await shop.market.call("GET", "/me/stripe", None, trainer)).body == nothing
    # An account alone sells nothing.
    assert (await shop.buy(client, trainer)).code == "conflict"
    await shop.onboard(trainer)
    everything = {"isStripeConnected": True, "chargesEnabled": True, "payoutsEnabled": True}
    assert (await shop.market.call("GET", "/me/stripe", None, trainer)).body == everything
    assert (await shop.buy(client, trainer)).status == 201
    dashboard = await shop.market.call("POST", "/me/stripe/dashboard", None, trainer)
    async with shop.market.http.get(dashboard.body["url"]) as page:
        assert page.status == 200


async def test_asked_at_once_it_is_one_account(shop: Shop) -> None:
    trainer = await shop.market.trainer()
    ask = (shop.market.call("POST", "/me/stripe/onboarding", None, trainer, node=number) for number in range(4))
    assert {one.status for one in await asyncio.gather(*ask)} <= {200, 503}
    accounts = (await shop.stripe("GET", "/accounts", limit=100))["data"]
    assert len([one for one in accounts if one["metadata"].get("trainer") == trainer.profile]) == 1


async def test_an_event_says_that_it_is_completed(shop: Shop) -> None:
    trainer = await shop.seller()

    async def is_told() -> bool:
        profile = (await shop.market.call("GET", "/me/profile", None, trainer)).body
        return bool(profile["isStripeConnected"])

    await eventually(is_told)


async def test_one_whom_stripe_restricts_sells_no_more(untold: Shop) -> None:
    shop = untold
    trainer, client = await shop.seller(), await shop.market.client()
    profile = await shop.market.store.profiles.by_id("trainer", trainer.profile)
    assert profile is not None
    await shop.control("POST", f"/accounts/{profile.stripe_connect_account_id}/restrict")
    assert (await shop.buy(client, trainer)).code == "conflict"
