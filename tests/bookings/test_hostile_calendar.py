"""The calendar feed against those who would keep it from serving its owner or others."""

from __future__ import annotations

import asyncio
import gc
import time
from datetime import timedelta
from typing import Any

import vobject
from bson import ObjectId

from domain.wire.bookings import ReadCalendar
from handlers.access import Visitor
from handlers.bookings.calendar import read_calendar
from tests.bookings.calendar_feeds import feed_of, read_feed
from tests.bookings.market import Market, Somebody

# More than a feed holds of what was cancelled, and more than may be written out in one go.
MANY = 1000


async def multiplied(market: Market, booking: dict[str, Any], times: int) -> None:
    """As many bookings as if somebody had made them all, at other times."""
    bookings = market.store.database.collection("bookings")
    one = await bookings.find_one({"_id": ObjectId(booking["id"])})
    assert one is not None
    # They claim no time, and want no attention when other tests move the clock.
    for name in ("claims", "dueAt"):
        one.pop(name, None)
    moved = [timedelta(minutes=5 * n) for n in range(times)]
    await bookings.insert_many(
        [
            {**one, "_id": ObjectId(), "startsAt": one["startsAt"] - at, "endsAt": one["endsAt"] - at} for at in moved
        ],
        ordered=False,
    )


async def test_whoever_cancels_without_end_pushes_nothing_out(market: Market) -> None:
    trainer = await market.trainer()
    client = await market.client(trainer)
    cancelled = await market.booked(client, trainer, market.at(9))
    await market.cancel(cancelled, client)
    await multiplied(market, cancelled, MANY)
    later = await market.booked(client, trainer, market.at(9, days=60))
    events = await read_feed(market, await feed_of(market, trainer))
    assert [event["uid"] for event in events if event["status"] == "CONFIRMED"] == [f"{later['id']}@spotter"]
    assert 0 < len(events) < MANY


async def test_a_long_feed_keeps_nobody_waiting(market: Market) -> None:
    trainer = await market.trainer()
    client = await market.client(trainer)
    await multiplied(market, await market.booked(client, trainer, market.at(9)), MANY)
    token = (await feed_of(market, trainer)).removeprefix("/v1/calendar/").removesuffix(".ics")
    longest = 0.0

    async def turn() -> None:
        nonlocal longest
        while True:
            # What this thread computes between two turns of the loop, however busy the machine is.
            begun = time.thread_time()
            await asyncio.sleep(0)
            longest = max(longest, time.thread_time() - begun)

    # What the tests before it left for the collector is none of the feed's.
    gc.disable()
    turning = asyncio.create_task(turn())
    try:
        document = await (await read_calendar(market.nodes[0].context, Visitor(), ReadCalendar(token=token))).write()
    finally:
        turning.cancel()
        gc.enable()
    assert document.count(b"BEGIN:VEVENT") == MANY + 1
    assert longest < 0.1


async def test_the_token_is_kept_nowhere(market: Market) -> None:
    client = await market.somebody("client")
    token = (await feed_of(market, client)).removeprefix("/v1/calendar/").removesuffix(".ics")
    assert len(token) >= 43
    feeds = await market.store.database.collection("calendarFeeds").find({}).to_list(None)
    assert str(client.id) in str(feeds)
    assert token not in str(feeds)


async def test_nothing_is_left_of_an_erased_owners_feed(market: Market) -> None:
    client = await market.somebody("client")
    await feed_of(market, client)
    assert await market.store.erasures.erase(client.user, market.clock()) is not None
    feeds = market.store.database.collection("calendarFeeds")
    assert await feeds.find_one({"user": ObjectId(client.id)}) is None


async def test_whoever_is_erased_has_no_name_in_the_others_feed(market: Market) -> None:
    trainer = await market.trainer()
    client = await market.client(trainer)
    await market.booked(client, trainer, market.at(9))
    assert await market.store.erasures.erase(client.user, market.clock()) is not None
    (event,) = await read_feed(market, await feed_of(market, trainer))
    assert str(event["summary"]) == "Training with Erased account"


async def test_a_program_without_headers_reads_it(market: Market) -> None:
    """By a parser of another family, through HTTP, with a name that is no good guest in any format."""
    trainer, name = await market.trainer(), 'A, "B"; C\\n 🏋️‍♀️' + "é" * 100
    await renamed(market, trainer, name)
    client = await market.client(trainer)
    await market.booked(client, trainer, market.at(9))
    async with market.http.get(market.urls[0] + await feed_of(market, client)) as response:
        (calendar,) = vobject.readComponents(await response.text())
    assert calendar.validate(raiseException=True)
    assert calendar.vevent.summary.value == f"Training with {name}"


async def renamed(market: Market, somebody: Somebody, name: str) -> None:
    assert (await market.call("PATCH", "/me/profile", {"name": name}, somebody)).status == 200
