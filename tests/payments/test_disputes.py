"""What a client's bank takes back: credits frozen, the trainer's part fetched, and both given back when it is won."""

from __future__ import annotations

from typing import Any

import pytest

from tests.payments.books import reconcile
from tests.payments.purchases import NET, disputed, earned, has_earned, paid, shows
from tests.payments.shop import PRICES, Shop


async def test_it_freezes_what_is_unused_and_takes_the_trainers_part(shop: Shop) -> None:
    trainer, client, purchase = await paid(shop)
    assert await earned(shop, trainer) == NET
    booked = await shop.market.booked(client, trainer, shop.market.at(10))
    dispute = await disputed(shop, purchase)
    await shop.granted(client, trainer, 0)
    await has_earned(shop, trainer, 0)
    fields = {"dispute": "open", "amountDisputed": PRICES["five"], "creditsFrozen": 4, "status": "paid"}
    await shows(shop, trainer, purchase, **fields)
    # Nothing of it can be refunded or booked; what comes back of it is frozen as well, at once.
    admin = await shop.market.somebody("admin")
    path = f"/admin/transactions/{purchase['id']}/refund"
    assert (await shop.market.call("POST", path, {}, admin, key="no")).code == "conflict"
    assert (await shop.market.book(client, trainer, shop.market.at(12))).code == "insufficient_credit"
    assert (await shop.market.cancel(booked, client)).status == 200
    assert await shop.market.balance(client, trainer) == 0
    await shop.control("POST", f"/disputes/{dispute}/close", outcome="lost")
    await shows(shop, client, purchase, dispute="lost", creditsFrozen=5)
    await shop.told(client, 3)
    entries = await shop.entries(client)
    assert [(one["action"], one["credits"]) for one in entries] == [("paid", 5), ("disputed", 4), ("dispute_lost", 5)]
    assert await earned(shop, trainer) == 0


async def test_won_everything_is_as_it_was(shop: Shop) -> None:
    trainer, client, purchase = await paid(shop)
    dispute = await disputed(shop, purchase)
    await shop.granted(client, trainer, 0)
    await has_earned(shop, trainer, 0)
    await shop.control("POST", "/balance", amount=PRICES["five"])
    await shop.control("POST", f"/disputes/{dispute}/close", outcome="won")
    await shop.granted(client, trainer, 5)
    await has_earned(shop, trainer, NET)
    await shows(shop, client, purchase, dispute="won", amountDisputed=0, creditsFrozen=0)
    await shop.told(client, 3)
    assert [one["action"] for one in await shop.entries(client)] == ["paid", "disputed", "dispute_won"]
    await shop.market.booked(client, trainer, shop.market.at(10))


async def test_the_platform_has_too_little_to_give_back_yet(untold: Shop) -> None:
    shop = untold
    trainer, client, purchase = await paid(shop)
    dispute = await disputed(shop, purchase)
    await tell(shop, dispute)
    await has_earned(shop, trainer, 0)
    await shop.control("POST", "/faults", action="error", method="POST", path="/v1/transfers", status=400)
    await shop.control("POST", f"/disputes/{dispute}/close", outcome="won")
    await tell(shop, dispute)
    await shop.granted(client, trainer, 5)
    await shop.control("POST", "/balance", amount=PRICES["five"])
    shop.market.clock.advance(hours=1)
    await reconcile(shop)
    await has_earned(shop, trainer, NET)


async def tell(shop: Shop, dispute: str) -> None:
    """An event of it, as many as one likes."""
    shop.sandbox.delivery.endpoints[:] = [shop.endpoint()]
    await shop.control("POST", "/events", type="charge.dispute.updated", object=dispute)


async def test_a_part_freezes_what_it_paid_for(shop: Shop) -> None:
    trainer, client, purchase = await paid(shop)
    await disputed(shop, purchase, amount=PRICES["five"] * 2 // 5)
    await shop.granted(client, trainer, 3)
    await has_earned(shop, trainer, NET - NET * 2 // 5)


@pytest.mark.parametrize("outcome", ["won", "lost"])
async def test_one_that_nobody_told_of_until_it_was_decided(untold: Shop, outcome: str) -> None:
    shop = untold
    trainer, client, purchase = await paid(shop)
    dispute = await disputed(shop, purchase)
    await shop.control("POST", f"/disputes/{dispute}/close", outcome=outcome)
    await tell(shop, dispute)
    await shows(shop, client, purchase, dispute=outcome)
    await shop.granted(client, trainer, 5 if outcome == "won" else 0)
    await has_earned(shop, trainer, NET if outcome == "won" else 0)


@pytest.mark.parametrize(
    "fault", [{"action": "error", "status": 500}, {"action": "lose", "after": True}], ids=["refused", "lost"]
)
@pytest.mark.parametrize("path", ["/v1/transfers/[^/]+/reversals", "/v1/transfers"])
async def test_what_stripe_did_not_answer_is_asked_again(untold: Shop, path: str, fault: dict[str, Any]) -> None:
    shop = untold
    trainer, client, purchase = await paid(shop)
    dispute = await disputed(shop, purchase)
    await shop.control("POST", "/balance", amount=PRICES["five"])
    await shop.control("POST", "/faults", method="POST", path=path, **fault)
    for outcome in (None, "won"):
        if outcome is not None:
            await shop.control("POST", f"/disputes/{dispute}/close", outcome=outcome)
        await tell(shop, dispute)
        await shop.granted(client, trainer, 0 if outcome is None else 5)
        shop.market.clock.advance(hours=1)
        await reconcile(shop)
        await has_earned(shop, trainer, 0 if outcome is None else NET)


async def test_five_times_shuffled_it_happens_once(shop: Shop) -> None:
    trainer, client, purchase = await paid(shop)
    await shop.control("PUT", "/delivery", hold=True)
    dispute = await disputed(shop, purchase)
    await shop.control("POST", f"/disputes/{dispute}/close", outcome="lost")
    await shop.control("PUT", "/delivery", hold=False)
    await shop.control("POST", "/delivery/release", order="shuffle", copies=5)
    await shop.granted(client, trainer, 0)
    await has_earned(shop, trainer, 0)
    listed = await shop.market.store.credits.entries(client.profile, trainer.profile)
    assert [one.kind for one in listed] == ["grant", "dispute"]
