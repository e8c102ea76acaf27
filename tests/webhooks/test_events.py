"""What happens is told once, signed, to whoever wants it; without anybody's words, names or addresses."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import Any, cast

import pytest

from domain.webhooks import EVENT_TYPES
from handlers.bookings.due import due_bookings_job
from server.app import Node
from store import webhook_deliveries
from store.store import Store
from store.webhook_deliveries import NAME as DELIVERIES
from tests.authorisation.people import PASSWORD, People
from tests.bookings.market import Market
from tests.harness.waiting import eventually
from tests.harness.work import work_off
from tests.webhooks.hooks import Hooks
from tests.webhooks.receiver import Receiver


async def test_what_becomes_of_a_booking_is_told_and_verifies(hooks: Hooks, market: Market, receiver: Receiver) -> None:
    endpoint = await hooks.add(receiver.url)
    assert endpoint["secret"].startswith("whsec_") and endpoint["events"] == list(EVENT_TYPES)
    trainer = await market.trainer()
    client = await market.client(trainer)
    first = market.at(9, days=2)
    booked = await market.booked(client, trainer, first)
    created = await receiver.next()
    told = created.verified(endpoint["secret"])
    assert (told["type"], told["data"]["id"], told["data"]["status"]) == ("booking.created", booked["id"], "confirmed")
    assert (told["data"]["startsAt"], told["data"]["by"], told["data"]["version"]) == (booked["startsAt"], "client", 1)
    assert told["data"]["client"] == {"id": client.profile, "userId": client.id}
    assert told["data"]["trainer"] == {"id": trainer.profile, "userId": trainer.id}
    assert created.headers["content-type"] == "application/json"
    # What is not committed is not told.
    assert (await market.book(await market.client(trainer), trainer, first)).code == "slot_taken"
    moved = (await market.move(booked, client, first + timedelta(hours=2))).body
    told = (await receiver.next()).verified(endpoint["secret"])
    assert (told["type"], told["data"]["previousStartsAt"]) == ("booking.rescheduled", booked["startsAt"])
    assert (await market.cancel(moved, trainer)).status == 200
    told = (await receiver.next()).verified(endpoint["secret"])
    assert (told["type"], told["data"]["by"], told["data"]["version"]) == ("booking.cancelled", "trainer", 3)
    assert receiver.taken.empty() and receiver.tries == 3
    await eventually(partial(hooks.has_none, endpoint))


async def test_sessions_that_are_over_and_reviews_are_told(hooks: Hooks, market: Market, receiver: Receiver) -> None:
    endpoint = await hooks.add(receiver.url, ["booking.completed", "review.created"])
    trainer = await market.trainer()
    client = await market.client(trainer)
    booked = await market.booked(client, trainer, market.at(9, days=2))
    market.clock.advance(days=3)

    async def completed() -> bool:
        await work_off(due_bookings_job(market.nodes[0].context), market.clock)
        found = await market.call("GET", f"/bookings/{booked['id']}", None, client)
        return bool(found.body["status"] == "completed")

    await eventually(completed)
    hooks.look()
    assert b'"booking.completed"' in (await receiver.next()).body
    words = {"rating": 4, "comment": "canary7f3a"}
    assert (await market.call("POST", f"/bookings/{booked['id']}/review", words, client)).status == 201
    review = await receiver.next()
    assert b'"review.created"' in review.body and b'"rating":4' in review.body and b"canary" not in review.body
    await eventually(partial(hooks.has_none, endpoint))


async def test_accounts_that_come_and_go_are_told(hooks: Hooks, market: Market, receiver: Receiver) -> None:
    endpoint = await hooks.add(receiver.url, ["user.registered", "user.erased"])
    people = People(market)
    email, token, code = await people.registered()
    body = {"email": email, "code": code, "registrationToken": token}
    verified = await market.call("POST", "/auth/verify", body)
    assert verified.status == 200, verified
    told = (await receiver.next()).verified(endpoint["secret"])
    user = verified.body["user"]
    assert (told["type"], told["data"]) == (
        "user.registered", {"id": user["id"], "role": "client", "profileId": user["profileId"]},
    )  # fmt: skip
    somebody = await people.newcomer("trainer")
    assert (await market.call("POST", "/me/erase", {"password": PASSWORD}, somebody)).status == 204
    told = (await receiver.next()).verified(endpoint["secret"])
    assert (told["type"], told["data"]["id"]) == ("user.erased", somebody.id)
    assert email not in str(told)


async def test_each_is_told_what_it_wants_by_one_id(
    hooks: Hooks, market: Market, receiver: Receiver, other_receiver: Receiver
) -> None:
    one = await hooks.add(receiver.url, ["user.erased", "user.erased"])
    await hooks.add(other_receiver.url, ["booking.created", "user.erased"])
    assert one["events"] == ["user.erased"]
    trainer = await market.trainer()
    await market.booked(await market.client(trainer), trainer, market.at(9, days=2))
    await hooks.happens()
    at_one, at_other = await receiver.next(), [await other_receiver.next() for _ in range(2)]
    assert {got.id for got in at_other} > {at_one.id}
    assert receiver.tries == 1
    (same,) = [got for got in at_other if got.id == at_one.id]
    assert same.body == at_one.body and same.headers["webhook-signature"] != at_one.headers["webhook-signature"]


async def test_nothing_is_written_that_nobody_wants(hooks: Hooks, market: Market, receiver: Receiver) -> None:
    rows = market.nodes[0].database.collection(DELIVERIES)
    await hooks.happens()
    await hooks.add(receiver.url, ["dispute.opened"])
    await hooks.happens()
    assert await rows.count_documents({}) == 0
    assert receiver.tries == 0


async def test_other_nodes_know_of_an_endpoint_soon(
    hooks: Hooks, market: Market, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook_deliveries, "KNOWN_SECONDS", 0.2)
    other = Hooks(Market([cast(Any, Elsewhere(market.nodes[0]))], [], market.http, market.clock), hooks.admin)
    await other.happens()
    endpoint = await hooks.add(receiver.url, ["user.erased"])

    async def known() -> bool:
        await other.happens()
        return bool(await hooks.rows(endpoint)) or receiver.tries > 0

    await eventually(known)
    hooks.look()
    assert (await receiver.next()).verified(endpoint["secret"])["type"] == "user.erased"


class Elsewhere:
    """A node with a store of its own over the same database."""

    def __init__(self, node: Node) -> None:
        self.store, self.tokens, self.context = Store(node.database), node.tokens, node.context


async def test_no_more_is_kept_than_there_is_room_for(
    hooks: Hooks, market: Market, receiver: Receiver, other_receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook_deliveries, "MAX_KEPT", 3)
    endpoint = await hooks.add(receiver.url, ["user.erased"])
    await hooks.add(other_receiver.url, ["user.erased"])
    deliveries = market.nodes[0].store.webhook_deliveries
    receiver.replies = [(500, {})] * 100
    for _ in range(5):
        await hooks.happens()
        await other_receiver.next()
        deliveries.look_again()
    assert len(await hooks.rows(endpoint)) == 3
    receiver.replies.clear()
    market.clock.advance(hours=1)
    hooks.look()
    got = {(await receiver.next()).id for _ in range(3)}
    await eventually(partial(hooks.has_none, endpoint))
    deliveries.look_again()
    await hooks.happens()
    assert (await receiver.next()).id not in got
