"""The calendar feed, read by a parser of its own."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any

import pytest

from domain.bookings import Booking
from domain.times import to_wire
from tests.bookings.calendar_feeds import Pages, feed_of, read_feed, tag_of
from tests.bookings.market import Data, Market, together


async def test_both_sides_have_a_feed_of_their_bookings(market: Market) -> None:
    trainer = await market.trainer(zone="America/New_York")
    client = await market.client(trainer)
    booking = await market.booked(client, trainer, market.at(15))
    urls = {who.id: await feed_of(market, who) for who in (client, trainer)}
    for who in (client, trainer):
        (event,) = await read_feed(market, urls[who.id])
        assert event["uid"] == f"{booking['id']}@spotter"
        assert event.decoded("dtstart") == datetime.fromisoformat(booking["startsAt"])
        assert event.decoded("dtend") == datetime.fromisoformat(booking["endsAt"])
        assert (event["status"], event["sequence"]) == ("CONFIRMED", 0)
        other = booking["parties"]["trainer" if who is client else "client"]["name"]
        assert str(event["summary"]) == f"Training with {other}"
    await market.move(booking, client, market.at(17))
    (event,) = await read_feed(market, urls[client.id])
    assert (event["sequence"], event.decoded("dtstart")) == (1, market.at(17))
    await market.cancel(booking, client)
    (event,) = await read_feed(market, urls[trainer.id])
    assert (event["status"], event["sequence"]) == ("CANCELLED", 2)


async def test_what_people_write_stays_text(market: Market) -> None:
    trainer = await market.trainer()
    client = await market.client(trainer)
    note = "a;b,c\\d\r\nEND:VEVENT\nBEGIN:VALARM \t\u2028 ünïcödé 🏋️ " + "x" * 300
    body = {"trainerId": trainer.profile, "startsAt": market.at(9).isoformat(), "payWith": "credit", "note": note}
    assert (await market.call("POST", "/bookings", body, client, key="n")).status == 201
    (event,) = await read_feed(market, await feed_of(market, trainer))
    assert "END:VEVENT" in str(event["description"])
    assert "🏋️" in str(event["description"])
    assert not event.subcomponents


async def test_a_feed_that_has_not_changed_is_not_sent_again(market: Market) -> None:
    trainer = await market.trainer()
    client = await market.client(trainer)
    booking = await market.booked(client, trainer, market.at(9))
    url = market.urls[0] + await feed_of(market, client)
    async with market.http.get(url) as first:
        etag = first.headers["ETag"]
    async with market.http.get(url, headers={"If-None-Match": etag}) as again:
        assert again.status == 304
    async with market.http.head(url) as head:
        assert (head.status, head.headers["ETag"]) == (200, etag)
    await market.cancel(booking, client)
    async with market.http.get(url, headers={"If-None-Match": etag}) as changed:
        assert changed.status == 200


async def test_what_has_not_changed_is_not_written_to_be_compared(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = await market.trainer()
    client = await market.client(trainer)
    booking = await market.booked(client, trainer, market.at(9))
    url = await feed_of(market, client)
    etag = await tag_of(market, url)
    # A node that has not written it either.
    pages = Pages(market, monkeypatch, 1)
    async with market.http.get(market.urls[1] + url, headers={"If-None-Match": etag}) as again:
        assert (again.status, again.headers["ETag"]) == (304, etag)
    assert pages.read == 0
    # Whoever sends no tag is given what was written for somebody before.
    assert {await tag_of(market, url, 1) for _ in range(3)} == {etag}
    assert pages.read == 2
    await market.cancel(booking, client)
    assert await tag_of(market, url, 1) != etag
    assert pages.read == 4


async def test_a_feed_is_written_once_for_all_who_ask_at_once(market: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = await market.trainer()
    client = await market.client(trainer)
    await market.booked(client, trainer, market.at(9))
    url = await feed_of(market, client)
    pages = Pages(market, monkeypatch, 0)
    assert len(set(await asyncio.gather(*(tag_of(market, url) for _ in range(10))))) == 1
    assert pages.read == 2


async def test_the_tag_follows_everything_that_the_feed_shows(market: Market) -> None:
    """The clock stands still: nothing hangs on two changes being made at different times."""
    trainer = await market.trainer()
    client, other = await market.client(trainer), await market.client(trainer)
    booking = await market.booked(client, trainer, market.at(9))
    url = await feed_of(market, trainer)
    tags = [await tag_of(market, url)]
    assert await tag_of(market, url) == tags[0]

    async def changed() -> None:
        assert await tag_of(market, url) not in tags
        tags.append(await tag_of(market, url))

    await market.booked(other, trainer, market.at(11))
    await changed()
    await market.move(booking, client, market.at(13))
    await changed()
    assert (await market.call("PATCH", "/me/profile", {"name": "Another Name"}, client)).status == 200
    await changed()
    assert (await market.call("PATCH", "/me/profile", {"studioCity": "Bonn"}, trainer)).status == 200
    await changed()
    await market.cancel(booking, client)
    await changed()
    assert await market.store.erasures.erase(other.user, market.clock()) is not None
    await changed()
    # Of another: it shows the same sessions with other people.
    assert await tag_of(market, await feed_of(market, client)) not in tags
    # They are left out when they are long past.
    market.clock.advance(days=200)
    await changed()


@pytest.mark.parametrize("end", ["deleted", "replaced", "blocked", "erased", "guessed"])
async def test_a_feed_that_has_ended_is_not_there(market: Market, end: str) -> None:
    client = await market.somebody("client")
    url = await feed_of(market, client)
    if end == "deleted":
        assert (await market.call("DELETE", "/me/calendar", None, client)).status == 204
    elif end == "replaced":
        assert await feed_of(market, client, rotate=True) != url
    elif end == "blocked":
        admin = await market.somebody("admin")
        answer = await market.call("POST", f"/admin/users/{client.id}/block", {"reason": "test"}, admin)
        assert answer.status == 204
    elif end == "erased":
        assert await market.store.erasures.erase(client.user, market.clock()) is not None
    else:
        url = url[:-5] + ("a" if url[-5] != "a" else "b") + ".ics"
    async with market.http.get(market.urls[1] + url) as response:
        assert response.status == 404


async def test_a_subscription_ends_only_on_purpose(market: Market) -> None:
    client = await market.somebody("client")

    async def about() -> Data:
        answer = await market.call("GET", "/me/calendar", None, client)
        assert answer.status == 200
        return dict(answer.body)

    assert await about() == {"active": False}
    url = await feed_of(market, client)
    begun = to_wire(market.clock())
    assert await about() == {"active": True, "createdAt": begun}
    for said in ({}, {"rotate": False}):
        refused = await market.call("POST", "/me/calendar", said, client)
        assert (refused.status, refused.code) == (409, "conflict")
    assert (await market.call("POST", "/me/calendar", {"rotate": "yes"}, client)).code == "validation_failed"
    await read_feed(market, url)
    market.clock.advance(hours=1)
    assert await feed_of(market, client, rotate=True) != url
    assert await about() == {"active": True, "createdAt": to_wire(market.clock())}
    assert (await market.call("DELETE", "/me/calendar", None, client)).status == 204
    assert await about() == {"active": False}
    await feed_of(market, client)


async def test_of_two_subscriptions_at_once_one_begins(market: Market) -> None:
    client = await market.somebody("client")
    answers = await together(*(market.call("POST", "/me/calendar", {}, client, node=number) for number in range(6)))
    assert sorted(answer.status for answer in answers) == [201, *[409] * 5]
    (url,) = [answer.body["url"] for answer in answers if answer.status == 201]
    assert await read_feed(market, url) == []


async def test_a_session_is_where_the_trainer_s_studio_is(market: Market) -> None:
    trainer = await market.trainer()
    client = await market.client(trainer)
    await market.booked(client, trainer, market.at(9))
    urls = [await feed_of(market, who) for who in (client, trainer)]
    home = {"address": "Private Road 1", "city": "Bonn", "country": "Germany"}
    assert (await market.call("PATCH", "/me/profile", home, trainer)).status == 200
    for url in urls:
        (event,) = await read_feed(market, url)
        assert "location" not in event
    studio = {
        "studioName": "Iron; Works", "studioAddress": "Harbour Street 5", "studioZipCode": "53111",
        "studioCity": "Bonn", "studioCountry": "Germany",
    }  # fmt: skip
    assert (await market.call("PATCH", "/me/profile", studio, trainer)).status == 200
    for url in urls:
        (event,) = await read_feed(market, url)
        assert str(event["location"]) == "Iron; Works, Harbour Street 5, 53111 Bonn, Germany"


async def test_an_administrator_has_no_feed(market: Market) -> None:
    assert (await market.call("POST", "/me/calendar", {}, await market.somebody("admin"))).code == "forbidden"


async def test_what_is_cancelled_while_a_feed_is_read_is_in_it_once(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = await market.trainer()
    client = await market.client(trainer)
    booking = await market.booked(client, trainer, market.at(9))
    bookings = market.nodes[0].context.store.bookings
    page = bookings.page

    async def cancelled_afterwards(*args: Any) -> list[Booking]:
        found = await page(*args)
        monkeypatch.setattr(bookings, "page", page)
        assert (await market.cancel(booking, trainer)).status == 200
        return found

    url = await feed_of(market, trainer)
    monkeypatch.setattr(bookings, "page", cancelled_afterwards)
    (event,) = await read_feed(market, url)
    assert event["status"] == "CANCELLED"
