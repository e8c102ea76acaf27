"""A purchase that was paid, what becomes of it, and what the trainer has of it."""

from __future__ import annotations

from typing import Any

from tests.bookings.market import Data, Somebody
from tests.harness.waiting import eventually
from tests.payments.shop import PRICES, Shop

# What the trainer has of a pack of five.
NET = PRICES["five"] - PRICES["five"] // 10


async def paid(shop: Shop, pack: str = "five") -> tuple[Somebody, Somebody, Data]:
    trainer, client = await shop.seller(), await shop.market.client()
    purchase = await shop.bought(client, trainer, pack)
    await shop.pay(purchase)
    return trainer, client, await shop.purchase(client, purchase)


async def disputed(shop: Shop, purchase: Data, **more: Any) -> str:
    found = await shop.control("POST", "/disputes", payment_intent=purchase["transactionId"], **more)
    return str(found["id"])


async def earned(shop: Shop, trainer: Somebody) -> int:
    """All that the trainer has at Stripe."""
    profile = await shop.market.store.profiles.by_id("trainer", trainer.profile)
    assert profile is not None
    account = {"Stripe-Account": profile.stripe_connect_account_id or ""}
    found = await shop.stripe("GET", "/balance", headers=account)
    return sum(one["amount"] for kind in ("available", "pending") for one in found[kind])


async def has_earned(shop: Shop, trainer: Somebody, amount: int) -> None:
    async def has() -> bool:
        return await earned(shop, trainer) == amount

    await eventually(has)


async def shows(shop: Shop, who: Somebody, purchase: Data, **fields: Any) -> None:
    async def does() -> bool:
        found = await shop.purchase(who, purchase)
        return all(found[name] == value for name, value in fields.items())

    await eventually(does)
