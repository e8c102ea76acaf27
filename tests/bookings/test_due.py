"""What time does: reminders, completions, holds that run out; once each, whichever of the nodes gets to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import msgspec
import pytest
from bson import ObjectId

from domain.bookings import Booking
from domain.reminders import due_notices, next_due
from domain.times import to_wire
from domain.wire.events import BOOKINGS
from handlers.bookings import due
from handlers.bookings.mailing import booking_mails_job, reminder_mails_job
from tests.bookings.due_work import hold
from tests.bookings.market import Data, Market, served_market
from tests.bookings.phones import phone
from tests.harness.clock import StandingClock
from tests.harness.mail_server import Desk, plain_of, served
from tests.harness.work import work_off

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
# Of one reminder: the event, and to each party a mail and a push.
GIVEN = 5


@pytest.fixture(scope="module")
def desk() -> Desk:
    return Desk()


@pytest.fixture(scope="module")
async def mailed(
    mongo_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory, desk: Desk
) -> AsyncIterator[Market]:
    """Two nodes that send real mail, and do their due work at any moment."""
    folder = tmp_path_factory.mktemp("mailed")
    async with served(desk) as port:
        smtp = f"smtp://127.0.0.1:{port}"
        async with served_market(mongo_url, redis_url, folder, SMTP_URL=smtp) as market:
            yield market


@pytest.fixture
async def market(mailed: Market, desk: Desk) -> Market:
    mailed.clock.now = StandingClock().now
    desk.replies.clear()
    while not desk.taken.empty():
        desk.taken.get_nowait()
    return mailed


async def told(market: Market, desk: Desk, count: int = 2) -> None:
    """Once all mails of bookings made, moved and cancelled have gone, which are another module's subject: these, and
    those that an earlier test left, of its reminders too."""
    rows = market.store.database.collection("bookingMails")
    async with asyncio.timeout(10):
        while await rows.count_documents({}):
            await work_off(booking_mails_job(market.nodes[0].context), market.clock)
    await mails_gone(market)
    assert desk.taken.qsize() >= count
    while not desk.taken.empty():
        desk.taken.get_nowait()


async def work(market: Market) -> None:
    """All nodes at once, beside what they do by themselves."""
    jobs = [due.due_bookings_job(node.context) for node in market.nodes for _ in range(2)]
    await asyncio.gather(*(work_off(job, market.clock) for job in jobs))


def start_of(booking: Data) -> datetime:
    return datetime.fromisoformat(booking["startsAt"])


async def stored(market: Market, booking: Data) -> Booking:
    found = await market.store.bookings.by_id(booking["id"])
    assert found is not None
    return found


async def reminded(market: Market, booking: Data, count: int) -> Booking:
    """Once so many notices were given; a node that claimed the booking before us may still be at it."""
    async with asyncio.timeout(10):
        while len((found := await stored(market, booking)).reminded) < count:
            await work(market)
    return found


async def test_both_are_reminded_a_day_and_an_hour_before_once(market: Market, desk: Desk) -> None:
    trainer = await market.trainer(zone="America/New_York")
    client, stranger = await market.client(trainer), await market.client(trainer)
    booking = await market.booked(client, trainer, market.at(15, days=3))
    await told(market, desk)
    async with (
        phone(market, client) as his,
        phone(market, trainer, 1) as hers,
        phone(market, stranger) as other,
    ):
        await work(market)
        assert (await stored(market, booking)).reminded == ()
        for number, before in enumerate((DAY, HOUR), 1):
            market.clock.now = start_of(booking) - before
            await reminded(market, booking, GIVEN * number)
            await work(market)
            for device in (his, hers):
                events = await device.receive("booking:reminder", number)
                assert [e["booking"]["id"] for e in events] == [booking["id"]] * number
            letters = [await desk.taken.get() for _ in range(2)]
            assert {to for (to,), _ in letters} == {client.user.email, trainer.user.email}
            for _, letter in letters:
                text = plain_of(letter)
                assert "America/New_York" in text
                assert ("tomorrow" if before == DAY else "in an hour") in letter["Subject"]
            assert desk.taken.empty()
        await other.do("booking:list", {}, BOOKINGS)
        assert other.received == []


async def test_what_was_booked_later_than_that_is_not_reminded_of(market: Market, desk: Desk) -> None:
    trainer = await market.trainer()
    client = await market.client(trainer)
    soon = market.clock() + timedelta(minutes=59)
    start = next(
        datetime.fromisoformat(s) for s in await market.slots(trainer, soon, soon + DAY)
        if datetime.fromisoformat(s) > soon + timedelta(minutes=5)
    )  # fmt: skip
    booking = await market.booked(client, trainer, start)
    market.clock.now = start - HOUR
    found = await reminded(market, booking, GIVEN)
    assert {name.partition(":")[0] for name in found.reminded} == {"1h"}
    market.clock.now = start - timedelta(minutes=1)
    await work(market)
    assert len((await stored(market, booking)).reminded) == GIVEN


async def test_a_moved_booking_is_reminded_of_anew(market: Market, desk: Desk) -> None:
    trainer = await market.trainer()
    client = await market.client(trainer)
    booking = await market.booked(client, trainer, market.at(9, days=3))
    market.clock.now = start_of(booking) - DAY
    await reminded(market, booking, GIVEN)
    moved = (await market.move(booking, client, market.at(9, days=5))).body
    assert (await stored(market, booking)).reminded == ()
    market.clock.now = start_of(moved) - DAY
    await reminded(market, booking, GIVEN)
    assert (await market.cancel(moved, client)).status == 200
    market.clock.now = start_of(moved) - HOUR
    await work(market)
    assert len((await stored(market, booking)).reminded) == GIVEN


async def test_a_mail_server_that_is_down_gets_it_later(market: Market, desk: Desk) -> None:
    trainer = await market.trainer()
    client = await market.client(trainer)
    booking = await market.booked(client, trainer, market.at(9, days=3))
    await told(market, desk)
    desk.replies = ["451 later"]
    market.clock.now = start_of(booking) - DAY
    await reminded(market, booking, GIVEN)
    ((first,), _) = await desk.taken.get()
    await mails_tried(market, desk)
    assert desk.taken.empty()
    # What went is not sent twice.
    market.clock.advance(seconds=61)
    ((second,), _) = await desk.taken.get()
    assert {first, second} == {client.user.email, trainer.user.email}
    await mails_gone(market)
    assert desk.taken.empty()


async def mails_tried(market: Market, desk: Desk) -> None:
    """Once each that is due has been, and when it is tried again is known."""
    rows = market.store.database.collection("reminderMails")
    async with asyncio.timeout(10):
        while desk.replies or await rows.count_documents({"dueAt": {"$lte": market.clock()}}):
            await work_off(reminder_mails_job(market.nodes[0].context), market.clock)
        await market.at_rest()


async def mails_gone(market: Market) -> None:
    """Once no mail of a reminder waits any more."""
    rows = market.store.database.collection("reminderMails")
    async with asyncio.timeout(10):
        while await rows.count_documents({}):
            await work_off(reminder_mails_job(market.nodes[0].context), market.clock)


async def test_a_mail_server_that_hangs_holds_up_nothing_that_time_does(market: Market, desk: Desk) -> None:
    """Its reminders wait for it elsewhere; once it is back each goes out, once."""
    trainer = await market.trainer()
    client = await market.client(trainer)
    booking = await market.booked(client, trainer, market.at(9, days=3))
    await told(market, desk)
    desk.open.clear()
    try:
        market.clock.now = start_of(booking) - DAY
        await reminded(market, booking, GIVEN)
    finally:
        desk.open.set()
    letters = [await desk.taken.get() for _ in range(2)]
    assert {to for (to,), _ in letters} == {client.user.email, trainer.user.email}
    await mails_gone(market)
    assert desk.taken.empty()


@pytest.mark.parametrize("change", ["moved", "moved away and back", "cancelled", "overdue", "turned off"])
async def test_a_reminder_that_waits_for_the_mail_server_is_not_sent_when_it_is_none_any_more(
    market: Market, desk: Desk, change: str
) -> None:
    trainer = await market.trainer()
    client = await market.client(trainer)
    booking = await market.booked(client, trainer, market.at(9, days=3))
    await told(market, desk)
    desk.replies = ["451 later"] * 2
    market.clock.now = start_of(booking) - DAY
    await reminded(market, booking, GIVEN)
    await mails_tried(market, desk)
    if change == "cancelled":
        assert (await market.cancel(booking, client)).status == 200
    elif change.startswith("moved"):
        moved = await market.move(booking, client, market.at(10, days=3))
        assert moved.status == 200
        if change.endswith("back"):
            assert (await market.move(moved.body, client, start_of(booking))).status == 200
    elif change == "overdue":
        # The next one takes its place.
        market.clock.now = start_of(booking) - HOUR
        await reminded(market, booking, 2 * GIVEN)
    else:
        body = {"kinds": [{"kind": "reminder", "channels": {"mail": False}}], "quietHours": None}
        for who in (client, trainer):
            assert (await market.call("PUT", "/me/notifications", body, who)).status == 200
    market.clock.advance(seconds=61)
    await mails_gone(market)
    await market.at_rest()
    subjects = set()
    while not desk.taken.empty():
        subjects.add(desk.taken.get_nowait()[1]["Subject"])
    assert "Your session tomorrow" not in subjects
    assert ("Your session in an hour" in subjects) == (change == "overdue")


async def test_what_the_version_before_had_not_mailed_yet_is(market: Market, desk: Desk) -> None:
    """It noted a mail once the mail server had it, and left the rest of the notices due."""
    trainer = await market.trainer()
    client = await market.client(trainer)
    booking = await market.booked(client, trainer, market.at(9, days=3))
    await told(market, desk)
    given = ["24h:event", "24h:mail:client", "24h:push:client", "24h:push:trainer"]
    await market.store.database.collection("bookings").update_one(
        {"_id": ObjectId(booking["id"])}, {"$set": {"reminded": given}}
    )
    market.clock.now = start_of(booking) - DAY
    await reminded(market, booking, GIVEN)
    ((only,), _) = await desk.taken.get()
    await mails_gone(market)
    assert (only, desk.taken.empty()) == (trainer.user.email, True)


async def test_it_is_completed_a_quarter_of_an_hour_after_its_end_once(market: Market) -> None:
    trainer = await market.trainer()
    client = await market.client(trainer, credits=1)
    booking = await market.booked(client, trainer, market.at(9))
    async with phone(market, trainer, 1) as hers:
        market.clock.now = datetime.fromisoformat(booking["endsAt"]) + timedelta(minutes=15, milliseconds=-1)
        await work(market)
        assert (await stored(market, booking)).status == "confirmed"
        market.clock.now += timedelta(milliseconds=1)
        await work(market)
        (event,) = await hers.receive("booking:completed")
        assert "by" not in event
        assert event["booking"]["status"] == "completed"
    await work(market)
    assert [entry["action"] for entry in await market.log(client, trainer)] == ["created", "completed"]
    kinds = [entry.kind for entry in await market.store.credits.entries(client.profile, trainer.profile)]
    assert kinds == ["grant", "consume", "spend"]
    assert (await market.cancel(booking, trainer)).code == "conflict"
    assert await market.balance(client, trainer) == 0


async def test_a_hold_runs_out_and_its_time_is_free_again(market: Market) -> None:
    trainer = await market.trainer()
    client = await market.client(trainer)
    held = await hold(market, client, trainer, market.at(9))
    assert (await market.book(await market.client(trainer), trainer, market.at(9))).code == "slot_taken"
    assert to_wire(market.at(9)) not in await market.slots(trainer, market.at(9))
    market.clock.advance(minutes=10)
    await work(market)
    async with asyncio.timeout(10):
        while (await stored(market, {"id": held.id})).status == "held":
            await work(market)
    assert [entry["action"] for entry in await market.log(client, trainer)] == ["created", "expired"]
    assert (await market.book(await market.client(trainer), trainer, market.at(9))).status == 201


async def test_what_a_dead_node_claimed_is_taken_over(market: Market) -> None:
    trainer = await market.trainer()
    client = await market.client(trainer)
    booking = await market.booked(client, trainer, market.at(9))
    over = datetime.fromisoformat(booking["endsAt"]) + timedelta(minutes=15)
    # As a node does that dies right after.
    await market.store.database.collection("bookings").update_one(
        {"_id": ObjectId(booking["id"])}, {"$set": {"dueClaimedUntil": over + timedelta(seconds=60)}}
    )
    market.clock.now = over
    await work(market)
    assert (await stored(market, booking)).status == "confirmed"
    market.clock.advance(seconds=60)
    async with asyncio.timeout(10):
        while (await stored(market, booking)).status != "completed":
            await work(market)


def test_an_overdue_reminder_gives_way_to_the_next() -> None:
    at = StandingClock().now
    booking = msgspec.convert(
        {
            "id": "b", "trainer_id": "t", "client_id": "c", "trainer_user_id": "t", "client_user_id": "c",
            "conversation_id": "x", "starts_at": at + 2 * DAY, "ends_at": at + 2 * DAY + HOUR, "time_zone": "UTC",
            "pause": 0, "cancellation_policy": "ALWAYS_FREE", "status": "confirmed", "paid_with": "credit",
            "arranged_at": at, "created_at": at, "updated_at": at,
        },
        Booking,
    )  # fmt: skip
    assert next_due(booking, at) == booking.starts_at - DAY
    late = booking.starts_at - HOUR
    assert {notice.hours for notice in due_notices(booking, late)} == {1}
    given = msgspec.structs.replace(booking, reminded=tuple(n.name for n in due_notices(booking, late)))
    assert next_due(given, late) == booking.ends_at + timedelta(minutes=15)
    assert due_notices(booking, booking.starts_at) == ()

