"""What Stripe tells: verified, taken once, and harmless however it comes."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import pytest

from handlers.payments.events import missed_events_job
from sandbox.delivery import Endpoint, signature
from sandbox.server import WEBHOOK_SECRET
from store.stripe_lists import NAME as STRIPE_LISTS
from tests.bookings.market import Data
from tests.harness.waiting import eventually
from tests.harness.work import work_off
from tests.payments.conftest import OLD_SECRET
from tests.payments.shop import Shop


async def tell(shop: Shop, body: bytes, header: str, node: int = 0) -> int:
    headers = {"Content-Type": "application/json", "Stripe-Signature": header}
    url = f"{shop.market.urls[node % 2]}/v1/webhooks/stripe"
    async with shop.market.http.post(url, data=body, headers=headers) as response:
        return response.status


def event(name: str, type: str = "payment_intent.succeeded", **about: Any) -> bytes:
    return json.dumps({"id": name, "object": "event", "type": type, "data": {"object": about}}).encode()


def signed(body: bytes, *secrets: str, age: int = 0) -> str:
    return signature(body, secrets or (WEBHOOK_SECRET,), int(time.time()) - age)


@pytest.mark.parametrize(
    "header",
    ["", "t=1", "nonsense", "t=1,v1=é", "t=x,v1=00", "v1=00", "t=1,v0=00", "t=,v1=", ",,,", "t" * 5000],
    ids=lambda header: header[:10],
)
async def test_a_signature_that_is_none(shop: Shop, header: str) -> None:
    assert await tell(shop, event("evt_none"), header) == 400


async def test_signatures_that_are_wrong_or_stale(shop: Shop) -> None:
    body = event("evt_wrong")
    assert await tell(shop, body, signed(body, "whsec_of_somebody_else")) == 400
    assert await tell(shop, body, signed(body, age=400)) == 400
    assert await tell(shop, body + b" ", signed(body)) == 400
    assert await tell(shop, b"\xff\xfe", signed(b"\xff\xfe")) == 400
    for nonsense in (b"[]", b"{}", b"1", b'{"id": "evt_1", "type": "x", "data": []}'):
        assert await tell(shop, nonsense, signed(nonsense)) == 400
    assert not await shop.market.nodes[0].database.collection("stripeEvents").find_one({"_id": "evt_wrong"})


async def test_several_secrets_are_good(shop: Shop) -> None:
    body = event("evt_rolling")
    assert await tell(shop, body, signed(body, OLD_SECRET)) == 200
    assert await tell(shop, body, signed(body, "whsec_new", OLD_SECRET)) == 200
    assert await tell(shop, body, signed(body, WEBHOOK_SECRET)) == 200


async def test_five_times_shuffled_in_parallel_on_two_nodes(shop: Shop) -> None:
    shop.sandbox.delivery.endpoints[:] = [
        Endpoint(f"{url}/v1/webhooks/stripe", [WEBHOOK_SECRET]) for url in shop.market.urls
    ]
    await shop.control("PUT", "/delivery", hold=True)
    trainer, client = await shop.seller(), await shop.market.client()
    purchases = [await shop.bought(client, trainer, pack) for pack in ("single", "five", "single")]
    await asyncio.gather(*(shop.pay(one) for one in purchases))
    for number in range(5):
        await shop.control("POST", "/events", type=f"invented.by_us_{number}", object=intent_of(purchases[0]))
    await shop.control("PUT", "/delivery", hold=False)
    await shop.control("POST", "/delivery/release", order="shuffle", copies=5)
    await shop.granted(client, trainer, 7)
    listed = await shop.market.store.credits.entries(client.profile, trainer.profile)
    assert sorted(one.effect for one in listed) == sorted(f"grant:{one['id']}" for one in purchases)
    await shop.told(client, 3)
    assert len(await shop.entries(client)) == 3


def intent_of(purchase: Data) -> str:
    secret: str = purchase["payment"]["clientSecret"]
    return secret.partition("_secret_")[0]


async def test_events_of_others_come_to_nothing(untold: Shop) -> None:
    shop = untold
    trainer, client = await shop.seller(), await shop.market.client()
    purchase = await shop.bought(client, trainer, "single")
    strangers = (
        event("evt_a", id="pi_of_nobody", object="payment_intent", metadata={"purchase": purchase["id"]}),
        event("evt_b", id="pi_of_nobody", object="payment_intent", metadata={"purchase": "$ne"}),
        event("evt_c", id={"$ne": None}, object="payment_intent"),
        event("evt_d", type="account.updated", id="acct_of_nobody", object="account"),
        event("evt_e", type="charge.refunded", id="ch_1", object="charge", payment_intent="pi_of_nobody"),
    )
    for body in strangers:
        assert await tell(shop, body, signed(body)) == 200
    rows = shop.market.nodes[0].database.collection("stripeEvents")
    waiting = {"_id": {"$in": [f"evt_{letter}" for letter in "abcde"]}, "dueAt": {"$ne": None}}

    async def are_worked() -> bool:
        return await rows.find_one(waiting) is None

    await eventually(are_worked)
    assert (await shop.purchase(client, purchase))["status"] == "pending"
    assert await shop.market.balance(client, trainer) == 0


async def test_a_gap_of_a_day_is_closed(untold: Shop) -> None:
    shop = untold
    trainer, client = await shop.seller(), await shop.market.client()
    purchase = await shop.bought(client, trainer, "five")
    await shop.pay(purchase)
    node = shop.market.nodes[0]
    await node.database.collection(STRIPE_LISTS).update_one({"_id": "events"}, {"$set": {"dueAt": shop.market.clock()}})
    await work_off(missed_events_job(node.context), shop.market.clock)
    await shop.granted(client, trainer, 5)
