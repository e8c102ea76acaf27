"""A receiver that fails, hangs, answers late or leads elsewhere gets each event at least once by one id, and holds
nobody else up."""

from __future__ import annotations

from functools import partial
from unittest.mock import AsyncMock

import pytest
from bson import ObjectId
from standardwebhooks import Webhook

from domain.errors import Code, DomainError
from handlers.webhooks.delivering import ATTEMPTS
from store.webhook_deliveries import NAME as DELIVERIES
from store.work_queue import WorkQueue
from tests.bookings.market import Data, Market
from tests.harness.waiting import eventually
from tests.webhooks.hooks import Hooks
from tests.webhooks.receiver import Receiver

EVENTS = ["user.erased"]


async def test_what_fails_is_tried_again_under_one_id(hooks: Hooks, receiver: Receiver) -> None:
    endpoint = await hooks.add(receiver.url, EVENTS)
    receiver.replies = [(500, {}), (429, {})]
    (user,) = await hooks.happens()
    shown = await hooks.failed(endpoint, "status")
    assert (shown["lastFailure"]["status"], shown["failures"], shown["waiting"], shown["dead"]) == (500, 1, 1, 0)
    await hooks.try_again(endpoint)
    refused = [await receiver.refused.get() for _ in range(2)]

    async def failed_twice() -> bool:
        return bool((await hooks.shown(endpoint))["failures"] == 2)

    await eventually(failed_twice)
    await eventually(lambda: hooks.rows(endpoint, **{"work.attempts": 2, "dueAt": {"$gt": hooks.market.clock()}}))
    await hooks.try_again(endpoint)
    taken = await receiver.next()
    assert taken.verified(endpoint["secret"])["data"]["id"] == user
    assert {one.id for one in refused} == {taken.id} and {one.body for one in refused} == {taken.body}

    async def settled() -> bool:
        shown = await hooks.shown(endpoint)
        return bool(shown["failures"] == 0 and shown["waiting"] == 0)

    await eventually(settled)
    assert (await hooks.shown(endpoint))["lastFailure"]["status"] == 429


async def test_one_that_hangs_holds_no_other_up_and_may_answer_late(
    hooks: Hooks, market: Market, receiver: Receiver, other_receiver: Receiver
) -> None:
    slow, good = await hooks.add(receiver.url, EVENTS), await hooks.add(other_receiver.url, EVENTS)
    receiver.open.clear()
    users = set(await hooks.happens(6))
    told = {(await other_receiver.next()).verified(good["secret"])["data"]["id"] for _ in users}
    # More than it is sent at a time hang meanwhile.
    assert told == users and receiver.taken.empty()
    held = [await receiver.held.get() for _ in range(4)]
    assert receiver.tries == 4
    receiver.open.set()
    got = [await receiver.next() for _ in users]
    assert {one.verified(slow["secret"])["data"]["id"] for one in got} == users
    assert {one.id for one in held} <= {one.id for one in got}


async def test_what_is_answered_too_late_is_sent_again(hooks: Hooks, market: Market, receiver: Receiver) -> None:
    market.nodes[0].webhooks.timeout_seconds = 0.3
    endpoint = await hooks.add(receiver.url, EVENTS)
    receiver.open.clear()
    await hooks.happens()
    await hooks.failed(endpoint, "timeout")
    first = await receiver.held.get()
    receiver.open.set()
    late = await receiver.next()
    market.nodes[0].webhooks.timeout_seconds = 10
    await hooks.try_again(endpoint)
    again = await receiver.next()
    assert {first.id, late.id} == {again.id}
    await eventually(partial(hooks.has_none, endpoint))


async def test_redirects_are_not_followed(hooks: Hooks, receiver: Receiver, other_receiver: Receiver) -> None:
    endpoint = await hooks.add(receiver.url, EVENTS)
    receiver.replies = [(307, {"Location": other_receiver.url})]
    await hooks.happens()
    shown = await hooks.failed(endpoint, "redirect")
    assert (shown["lastFailure"]["status"], other_receiver.tries) == (307, 0)
    await hooks.try_again(endpoint)
    await receiver.next()


async def test_nothing_goes_to_a_private_address(hooks: Hooks, market: Market, receiver: Receiver) -> None:
    """Whatever was allowed when the endpoint was made: it is looked at when it is connected to."""
    endpoint = await hooks.add(receiver.url, EVENTS)
    market.nodes[0].webhooks.allows_private = False
    await hooks.happens()
    await hooks.failed(endpoint, "private_address")
    assert receiver.tries == 0
    market.nodes[0].webhooks.allows_private = True
    await hooks.try_again(endpoint)
    await receiver.next()


async def given_up(hooks: Hooks, *endpoints: Data) -> None:
    """One event more is tried for the last time at each, and fails."""
    await hooks.happens()
    for one in endpoints:
        await hooks.failed(one, "status")
        await hooks.put(one, {"$set": {"work.attempts": ATTEMPTS - 1}})
    hooks.market.clock.advance(seconds=20)
    hooks.look()
    for one in endpoints:
        await eventually(partial(hooks.rows, one, **{"work.deadAt": {"$exists": True}}))


async def test_what_is_given_up_is_replayed(hooks: Hooks, receiver: Receiver, other_receiver: Receiver) -> None:
    endpoint, another = await hooks.add(receiver.url, EVENTS), await hooks.add(other_receiver.url, EVENTS)
    receiver.replies, other_receiver.replies = [(500, {})] * 2, [(500, {})] * 2
    await given_up(hooks, endpoint, another)
    for one in (endpoint, another):
        shown = await hooks.shown(one)
        assert (shown["waiting"], shown["dead"]) == (0, 1)
    changed = await hooks.change(endpoint, replay=True)
    assert (changed["waiting"], changed["dead"], changed["secret"]) == (1, 0, None)
    await receiver.next()
    # Nobody else's are.
    assert other_receiver.tries == 2 and (await hooks.shown(another))["dead"] == 1


async def test_a_repeat_replays_what_was_asked_for_and_no_more(
    hooks: Hooks, market: Market, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever committed that it is replayed may have been killed before it was."""
    endpoint = await hooks.add(receiver.url, EVENTS)
    receiver.replies = [(500, {})] * 4
    await given_up(hooks, endpoint)
    path, body, key = f"/{endpoint['id']}", {"replay": True}, "once"
    with monkeypatch.context() as killed:
        killed.setattr(WorkQueue, "replay_all", AsyncMock(side_effect=DomainError(Code.UNAVAILABLE, "Killed.")))
        assert (await hooks.call("PATCH", path, body, key=key)).code == "unavailable"
    assert (await hooks.shown(endpoint))["dead"] == 1
    receiver.replies.clear()
    assert (await hooks.call("PATCH", path, body, key=key)).status == 200
    await receiver.next()
    await eventually(partial(hooks.has_none, endpoint))
    market.clock.advance(seconds=1)
    receiver.replies = [(500, {})] * 2
    await given_up(hooks, endpoint)
    assert (await hooks.call("PATCH", path, body, key=key)).status == 200
    assert (await hooks.shown(endpoint))["dead"] == 1


async def test_what_waits_for_an_endpoint_goes_with_it(
    hooks: Hooks, receiver: Receiver, other_receiver: Receiver
) -> None:
    paused, removed = await hooks.add(receiver.url, EVENTS), await hooks.add(other_receiver.url, EVENTS)
    receiver.replies, other_receiver.replies = [(500, {})] * 4, [(500, {})] * 4
    await hooks.happens(2)
    for one in (paused, removed):
        await hooks.failed(one, "status")
    assert not (await hooks.change(paused, isActive=False))["isActive"]
    assert (await hooks.call("DELETE", f"/{removed['id']}")).status == 204
    assert await hooks.rows(paused) == await hooks.rows(removed) == []
    await hooks.happens()
    assert await hooks.rows(paused) == await hooks.rows(removed) == []
    tries = receiver.tries
    receiver.replies.clear()
    await hooks.change(paused, isActive=True)
    await hooks.happens()
    await receiver.next()
    assert receiver.tries == tries + 1


async def test_what_a_node_wrote_that_did_not_know_better_goes(
    hooks: Hooks, market: Market, receiver: Receiver
) -> None:
    """For an endpoint that was removed on another node, or wants such events no more."""
    endpoint = await hooks.add(receiver.url, ["booking.created"])
    rows = market.nodes[0].database.collection(DELIVERIES)
    row: Data = {
        "event": "evt_1", "type": "user.erased", "body": "{}", "createdAt": market.clock(), "dueAt": market.clock(),
    }  # fmt: skip
    number = (await market.nodes[0].store.webhook_endpoints.all())[-1].queue_number
    await rows.insert_many(
        [{**row, "lane": number, "endpoint": ObjectId(one)} for one in (endpoint["id"], "0" * 24)]
    )
    hooks.look()

    async def gone() -> bool:
        return await rows.count_documents({"event": "evt_1"}) == 0

    await eventually(gone)
    assert receiver.tries == 0


async def test_a_secret_is_rotated_with_an_overlap(hooks: Hooks, market: Market, receiver: Receiver) -> None:
    endpoint = await hooks.add(receiver.url, EVENTS)
    changed = await hooks.change(endpoint, rotateSecret=True)
    old, new = endpoint["secret"], changed["secret"]
    assert new.startswith("whsec_") and new != old and changed["formerSecretUntil"] is not None
    await hooks.happens()
    got = await receiver.next()
    assert got.verified(old) == got.verified(new)
    market.clock.advance(hours=25)
    await hooks.happens()
    later = await receiver.next()
    signed = Webhook(new).sign(later.id, market.clock(), later.body.decode())
    assert later.headers["webhook-signature"] == signed
    assert (await hooks.shown(endpoint))["formerSecretUntil"] is None
