"""Who is pushed what, and when not: decided by what devices confirm, handed in whatever the services do."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from bson import ObjectId

from domain.sessions import Reason
from domain.wire.events import CONVERSATIONS, NAMESPACES, PRESENCE
from handlers.bookings import due
from handlers.notifications import unread
from handlers.notifications.pushing import push_jobs
from handlers.notifications.undelivered import undelivered_messages_job
from handlers.notifications.unread import badge_of
from tests.bookings.market import Somebody
from tests.harness.call_gates import CallGate
from tests.harness.devices import TIMEOUT_SECONDS, device
from tests.harness.work import work_off
from tests.notifications.pushed import AFTER, Pushed


async def test_what_no_device_confirms_is_pushed_to_each(pushed: Pushed) -> None:
    client, trainer, conversation = await pushed.pair()
    phone, tablet = await pushed.register(trainer), await pushed.register(trainer, "android")
    mine = await pushed.register(client)
    await pushed.send(client, conversation, "first")
    message = await pushed.send(client, conversation, "second  one\n" + "x" * 300)
    await pushed.scan()
    # A device has so long to confirm.
    await pushed.work()
    assert pushed.left(pushed.apns, phone) == []
    await pushed.pass_time()
    got, other = await pushed.next(pushed.apns, phone), await pushed.next(pushed.fcm, tablet)
    for one in (got, other):
        assert one.said is not None
        assert one.said.startswith("second one x") and len(one.said) == 200
        assert one.data["conversationId"] == conversation and one.data["seq"] == "3"
        assert one.data["messageId"] == message["id"] and one.data["type"] == "entry"
    assert got.body["aps"]["badge"] == 2
    assert got.body["aps"]["alert"]["title"].startswith("client ")
    assert got.headers["apns-collapse-id"] == other.body["message"]["android"]["collapse_key"]
    assert got.id != other.id
    # Nobody is told of what he said himself, nor twice of anything.
    await pushed.pass_time()
    assert pushed.left(pushed.apns, phone, mine) == pushed.left(pushed.fcm, tablet) == []
    await pushed.send(client, conversation, "third")
    await pushed.pass_time()
    assert (await pushed.next(pushed.apns, phone)).said == "third"


async def test_what_is_sent_while_one_is_being_pushed_is_pushed_as_well(
    pushed: Pushed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The scans of that moment find the participant claimed, and look at the conversation once."""
    client, trainer, conversation = await pushed.pair()
    phone = await pushed.register(trainer)
    node = pushed.market.nodes[0]
    await pushed.send(client, conversation, "first")
    await pushed.scan()
    pushed.market.clock.advance(seconds=AFTER.total_seconds())
    gate = CallGate(node.store.undelivered.looked_at)
    monkeypatch.setattr(node.store.undelivered, "looked_at", gate)
    pushing = asyncio.create_task(work_off(undelivered_messages_job(node.context), pushed.market.clock))
    await gate.entered.wait()
    await pushed.send(client, conversation, "second")
    await pushed.scan()
    gate.opened.set()
    await pushing
    await pushed.pass_time()
    assert [(await pushed.next(pushed.apns, phone)).said for _ in range(2)] == ["first", "second"]


async def test_what_a_device_confirmed_is_not(pushed: Pushed) -> None:
    client, trainer, conversation = await pushed.pair()
    phone = await pushed.register(trainer)
    await pushed.send(client, conversation, "hello")
    await pushed.scan()
    await pushed.mark(trainer, conversation, delivered=2)
    await pushed.pass_time()
    assert pushed.left(pushed.apns, phone) == []


async def test_what_is_read_elsewhere_is_taken_back(pushed: Pushed) -> None:
    client, trainer, conversation = await pushed.pair()
    phone, tablet = await pushed.register(trainer), await pushed.register(trainer, "web")
    await pushed.send(client, conversation, "hello")
    await pushed.pass_time()
    shown = await pushed.next(pushed.apns, phone)
    await pushed.next(pushed.fcm, tablet)
    # Received is not read.
    await pushed.mark(trainer, conversation, delivered=2)
    await pushed.pass_time()
    assert pushed.left(pushed.apns, phone) == []
    await pushed.mark(trainer, conversation, seen=2)
    await pushed.pass_time()
    for service, token in ((pushed.apns, phone), (pushed.fcm, tablet)):
        gone = await pushed.next(service, token)
        assert (gone.said, gone.data["type"], gone.data["badge"]) == (None, "withdrawal", "0")
        assert gone.data["conversationId"] == conversation
        if service is pushed.apns:
            assert gone.body["aps"] == {"content-available": 1, "badge": 0}
            assert gone.headers["apns-collapse-id"] == shown.headers["apns-collapse-id"]
    await pushed.pass_time()
    assert pushed.left(pushed.apns, phone) == []
    assert "shownSeq" not in await pushed.side(trainer, conversation)


async def test_what_was_deleted_is_taken_back(pushed: Pushed) -> None:
    client, trainer, conversation = await pushed.pair()
    phone = await pushed.register(trainer)
    message = await pushed.send(client, conversation, "hello")
    await pushed.pass_time()
    await pushed.next(pushed.apns, phone)
    async with device(pushed.market.urls[0], client.person, (CONVERSATIONS,)) as socket:
        await socket.do("message:delete", {"messageId": message["id"]})
    await pushed.work()
    gone = await pushed.next(pushed.apns, phone)
    assert (gone.said, gone.data["type"], gone.data["badge"]) == (None, "withdrawal", "0")


@pytest.mark.parametrize("status", ["online", "invisible"])
async def test_presence_has_no_part_in_it(pushed: Pushed, status: str) -> None:
    client, trainer, conversation = await pushed.pair()
    phone = await pushed.register(trainer)
    async with device(pushed.market.urls[0], trainer.person, NAMESPACES) as socket:
        await socket.do("presence:set", {"status": status}, PRESENCE)
        await pushed.send(client, conversation, "hello")
        # It was sent it, and does not say that it has it.
        await socket.receive("message:new")
        await pushed.pass_time()
        assert (await pushed.next(pushed.apns, phone)).said == "hello"


async def mute(pushed: Pushed, who: Somebody, other: Somebody, conversation: str) -> None:
    sides = (await pushed.market.store.conversations.participants([conversation]))[conversation]
    (side,) = [one for one in sides if one.user_id == who.id]
    until = pushed.market.clock() + timedelta(days=9)
    await pushed.market.store.conversations.mute(side.id, until, pushed.market.clock())


async def pause(pushed: Pushed, who: Somebody, other: Somebody, conversation: str) -> None:
    assert (await pushed.market.call("PATCH", "/me", {"isActive": False}, who)).status == 200


async def block(pushed: Pushed, who: Somebody, other: Somebody, conversation: str) -> None:
    assert (await pushed.market.call("PUT", f"/me/blocks/{other.id}", None, who)).status == 204


async def turn_off(pushed: Pushed, who: Somebody, other: Somebody, conversation: str) -> None:
    body = {"kinds": [{"kind": "message", "channels": {"push": False}}]}
    assert (await pushed.market.call("PUT", "/me/notifications", body, who)).status == 200


async def sign_out(pushed: Pushed, who: Somebody, other: Somebody, conversation: str) -> None:
    ended: Reason = "logout"
    assert await pushed.market.store.accounts.end_session(
        who.id, who.person.session_id, ended, pushed.market.clock()
    )
    who.person = (await pushed.market.people.another_device(who.person))


async def unregister(pushed: Pushed, who: Somebody, other: Somebody, conversation: str) -> None:
    assert (await pushed.market.call("DELETE", "/me/devices/phone", None, who)).status == 204


async def delete(pushed: Pushed, who: Somebody, other: Somebody, conversation: str) -> None:
    said = await pushed.market.store.log.read.before(conversation, None, 1)
    rows = pushed.market.nodes[0].database.collection("messages")
    await rows.update_one({"_id": ObjectId(said[0].id)}, {"$set": {"deletedAt": pushed.market.clock(), "text": None}})


@pytest.mark.parametrize("silence", [mute, pause, block, turn_off, sign_out, unregister, delete])
@pytest.mark.parametrize("late", [False, True], ids=["before", "while it waits"])
async def test_silence(pushed: Pushed, silence: Any, late: bool) -> None:
    client, trainer, conversation = await pushed.pair()
    phone = await pushed.register(trainer, device_id="phone")
    await pushed.send(client, conversation, "hello")
    if late:
        await pushed.scan()
    await silence(pushed, trainer, client, conversation)
    await pushed.pass_time()
    assert pushed.left(pushed.apns, phone) == []
    if silence is sign_out:
        assert await pushed.market.store.devices.of(trainer.id) == []


async def test_what_is_muted_has_no_badge(pushed: Pushed) -> None:
    client, trainer, conversation = await pushed.pair()
    other = await pushed.market.client()
    loud = await pushed.market.people.acquaint(other.id, trainer.id)
    phone = await pushed.register(trainer)
    await mute(pushed, trainer, client, conversation)
    await pushed.send(client, conversation, "hello")
    await pushed.pass_time()
    got = await pushed.next(pushed.apns, phone)
    assert (got.data["conversationId"], got.body["aps"]["badge"]) == (loud, 1)
    assert pushed.left(pushed.apns, phone) == []


async def test_a_badge_counts_the_newest_conversations(pushed: Pushed, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many somebody has: a push reads so many of them. That of the push itself always counts."""
    trainer = await pushed.market.somebody("trainer")
    conversations = []
    for _ in range(5):
        client = await pushed.market.client()
        conversations.append(await pushed.market.people.acquaint(client.id, trainer.id))
        await pushed.send(client, conversations[-1], "hello")
        await pushed.send(client, conversations[-1], "are you there?")
    await pushed.market.nodes[0].store.log.projections.flush()
    sides = (await pushed.market.store.conversations.participants(conversations)).values()
    mine = [one for both in sides for one in both if one.user_id == trainer.id]
    context, now = pushed.market.nodes[0].context, pushed.market.clock()
    assert [await badge_of(context, one, now) for one in mine] == [15] * 5
    await pushed.mark(trainer, conversations[4], seen=2)
    assert await badge_of(context, mine[0], now) == 13
    monkeypatch.setattr(unread, "BADGE_CONVERSATIONS", 2)
    # The two newest, of which one has one left, and the oldest of all.
    assert await badge_of(context, mine[0], now) == 3 + 3 + 1
    monkeypatch.setattr(unread, "MAX_BADGE", 5)
    assert await badge_of(context, mine[0], now) == 5


async def test_quiet_hours_hold_back(pushed: Pushed) -> None:
    client, trainer, conversation = await pushed.pair()
    phone = await pushed.register(trainer)
    now = pushed.market.clock().replace(minute=0)
    hours = [f"{(now + timedelta(hours=by)).hour:02d}:00" for by in (0, 2)]
    quiet = {"startTime": hours[0], "endTime": hours[1], "timeZone": "UTC"}
    assert (await pushed.market.call("PUT", "/me/notifications", {"quietHours": quiet}, trainer)).status == 200
    await pushed.send(client, conversation, "hello")
    await pushed.pass_time()
    assert pushed.left(pushed.apns, phone) == []
    pushed.market.clock.advance(hours=2)
    await pushed.work()
    assert (await pushed.next(pushed.apns, phone)).said == "hello"


async def test_a_dead_token_is_dropped(pushed: Pushed) -> None:
    client, trainer, conversation = await pushed.pair()
    dead = await pushed.register(trainer, device_id="old")
    pushed.apns.replies = [(410, {"reason": "Unregistered", "timestamp": 4_000_000_000_000})]
    await pushed.send(client, conversation, "hello")
    await pushed.pass_time()
    assert await pushed.market.store.devices.of(trainer.id) == []
    assert pushed.left(pushed.apns, dead) == []


async def test_a_service_that_fails_gets_it_later_under_one_id(pushed: Pushed) -> None:
    client, trainer, conversation = await pushed.pair()
    phone = await pushed.register(trainer)
    pushed.apns.replies = [(503, {"reason": "Shutdown"}), (429, {"reason": "TooManyRequests"})]
    tries = pushed.apns.tries
    await pushed.send(client, conversation, "hello")
    await pushed.scan()
    pushed.market.clock.advance(seconds=10)
    async with asyncio.timeout(TIMEOUT_SECONDS):
        while pushed.apns.received.empty():
            await work_off_all(pushed)
            pushed.market.clock.advance(seconds=1)
    assert pushed.apns.tries - tries == 3
    assert (await pushed.next(pushed.apns, phone)).said == "hello"
    await pushed.pass_time()
    assert pushed.left(pushed.apns, phone) == []


async def work_off_all(pushed: Pushed) -> None:
    context, clock = pushed.market.nodes[0].context, pushed.market.clock
    for job in (undelivered_messages_job(context), *push_jobs(context)):
        await work_off(job, clock)


async def test_a_service_that_hangs_holds_the_other_up_by_nothing(pushed: Pushed) -> None:
    client, trainer, conversation = await pushed.pair()
    phone, tablet = await pushed.register(trainer), await pushed.register(trainer, "android")
    pushed.apns.open.clear()
    pushed.apns.arrived.clear()
    await pushed.send(client, conversation, "hello")
    await pushed.scan()
    pushed.market.clock.advance(seconds=10)
    # The node itself works, on both at once.
    await pushed.apns.arrived.wait()
    assert (await pushed.next(pushed.fcm, tablet)).said == "hello"
    assert pushed.apns.received.empty()
    pushed.apns.open.set()
    assert (await pushed.next(pushed.apns, phone)).said == "hello"


async def test_bookings_are_pushed_out_of_the_log_and_reminded_of(pushed: Pushed) -> None:
    market = pushed.market
    trainer = await market.trainer()
    client = await market.client(trainer)
    phone, mine = await pushed.register(trainer), await pushed.register(client)
    assert (await market.call("PATCH", "/me", {"timeZone": "Europe/Berlin"}, trainer)).status == 200
    # Whoever pauses is told of sessions that stand.
    start = market.at(9, days=3)
    booking = await market.booked(client, trainer, start)
    await pause(pushed, trainer, client, "")
    await pushed.pass_time()
    got = await pushed.next(pushed.apns, phone)
    assert got.said is not None
    assert got.said.startswith("Session booked: ") and got.said.endswith(", 10:00")
    assert got.data["bookingId"] == booking["id"]
    market.clock.now = start - timedelta(hours=1)
    await work_off(due.due_bookings_job(market.nodes[0].context), market.clock)
    async with asyncio.timeout(TIMEOUT_SECONDS):
        while (one := await pushed.next(pushed.apns, phone, mine)).data["type"] != "reminder":
            pass
    assert one.said is not None
    assert one.said.startswith("Your session begins in an hour: ")
    assert one.data["bookingId"] == booking["id"]


async def test_sessions_of_a_muted_conversation_are_reminded_of_and_otherwise_silent(pushed: Pushed) -> None:
    market = pushed.market
    trainer = await market.trainer()
    client = await market.client(trainer)
    phone, mine = await pushed.register(trainer), await pushed.register(client)
    off = {"kinds": [{"kind": "reminder", "channels": {"push": False}}]}
    assert (await market.call("PUT", "/me/notifications", off, client)).status == 200
    start = market.at(9, days=3)
    booking = await market.booked(client, trainer, start)
    for who, other in ((trainer, client), (client, trainer)):
        await mute(pushed, who, other, booking["conversationId"])
    await pushed.pass_time()
    assert pushed.left(pushed.apns, phone, mine) == []
    market.clock.now = start - timedelta(hours=1)
    await work_off(due.due_bookings_job(market.nodes[0].context), market.clock)
    reminder = await pushed.next(pushed.apns, phone, mine)
    assert (reminder.to, reminder.data["type"]) == (phone, "reminder")
    await pushed.work()
    assert {one.to for one in pushed.left(pushed.apns, phone, mine)} <= {phone}
