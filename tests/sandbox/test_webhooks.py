"""Events as they are delivered: signed, tried again, and disturbed."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import AsyncIterator

import pytest
import stripe

from tests.sandbox.receiver import Receiver
from tests.sandbox.shop import Shop


@pytest.fixture
async def receiver(shop: Shop) -> AsyncIterator[Receiver]:
    async with Receiver().serving() as made:
        await _send_to(shop, made, "whsec_one")
        yield made


async def _send_to(shop: Shop, receiver: Receiver, *secrets: str) -> None:
    await shop.control("PUT", "/endpoints", endpoints=[{"url": receiver.url, "secrets": list(secrets)}])


async def test_every_event_arrives_signed(shop: Shop, receiver: Receiver) -> None:
    intent = await shop.paid(await shop.seller())
    events = await receiver.has(7)
    theirs = ["account.updated", "payment.created"]
    assert Counter(event.type for event in events) == Counter([*await shop.types(), *theirs])
    paid = next(event for event in events if event.type == "payment_intent.succeeded")
    assert isinstance(paid.data.object, stripe.PaymentIntent)
    assert (paid.data.object.id, paid.data.object.status) == (intent.id, "succeeded")
    updated = next(event for event in events if event.type == "account.updated")
    assert updated.account and updated.account.startswith("acct_")
    assert not receiver.refused


async def test_two_secrets_while_one_is_replaced(shop: Shop) -> None:
    async with Receiver("whsec_new").serving() as receiver:
        await _send_to(shop, receiver, "whsec_old", "whsec_new")
        await shop.intent()
        assert [event.type for event in await receiver.has(1)] == ["payment_intent.created"]


async def test_what_is_not_taken_is_sent_again(shop: Shop, receiver: Receiver) -> None:
    receiver.failures = 2
    intent = await shop.intent()
    assert [event.data.object["id"] for event in await receiver.has(1)] == [intent.id]
    attempts = (await shop.control("GET", "/deliveries"))["attempts"]
    assert [one["status"] for one in attempts][:2] == [500, 500]


async def test_duplicates(shop: Shop, receiver: Receiver) -> None:
    await shop.control("PUT", "/delivery", copies=5, jitter=0.05)
    await shop.intent()
    assert len({event.id for event in await receiver.has(5)}) == 1


async def test_another_order(shop: Shop, receiver: Receiver) -> None:
    await shop.control("PUT", "/delivery", hold=True)
    await shop.paid()
    status = await shop.control("GET", "")
    assert (status["held"], status["pending"], receiver.events) == (3, 0, [])
    assert await shop.control("POST", "/delivery/release", order="shuffle", copies=2) == {"released": 3}
    assert set(Counter(event.id for event in await receiver.has(6)).values()) == {2}


async def test_dropped_ones_are_in_the_list_only(shop: Shop, receiver: Receiver) -> None:
    await shop.control("PUT", "/delivery", drop=2, types=["charge.succeeded", "payment_intent.succeeded"])
    await shop.paid()
    assert [event.type for event in await receiver.has(1)] == ["payment_intent.created"]
    assert (await shop.control("GET", ""))["pending"] == 0
    assert "payment_intent.succeeded" in await shop.types()


async def test_stale_and_wrong_signatures(shop: Shop, receiver: Receiver) -> None:
    await shop.intent()
    event = (await receiver.has(1))[0]
    await shop.control("POST", f"/events/{event.id}/deliver", timestamp=int(time.time()) - 600)
    await shop.control("POST", f"/events/{event.id}/deliver", secret="whsec_wrong")
    await receiver.has(3)
    assert (len(receiver.events), receiver.refused) == (1, 2)


async def test_unknown_types_and_foreign_accounts(shop: Shop, receiver: Receiver) -> None:
    intent = await shop.intent()
    await shop.control("POST", "/events", type="charm.exploded", object={"id": "charm_1", "object": "charm"})
    await shop.control("POST", "/events", type="account.updated", object=intent.id, account="acct_foreign")
    events: dict[str, stripe.Event] = {event.type: event for event in await receiver.has(3)}
    assert events["charm.exploded"].data.object["id"] == "charm_1"
    assert events["account.updated"].account == "acct_foreign"
