"""Mails about bookings: to both, once each, in the time of each with the other's beside it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest
from bson import ObjectId

from handlers.bookings.due import due_bookings_job
from handlers.bookings.mailing import booking_mails_job, reminder_mails_job
from tests.bookings.due_work import hold
from tests.bookings.market import Data, Market, Somebody, served_market
from tests.faults.tap import tapped
from tests.harness.clock import StandingClock
from tests.harness.devices import TIMEOUT_SECONDS
from tests.harness.mail_server import Desk
from tests.harness.mail_server import plain_of as text_of
from tests.harness.mail_server import served as serving_mail
from tests.harness.work import work_off
from tests.together.processes import served

# A session that is at 10:00 in New York and at 16:00 in Berlin.
START = datetime(2027, 2, 1, 15, 0, tzinfo=UTC)
Mail = tuple[str, EmailMessage]


class Post:
    def __init__(self, desk: Desk, port: int) -> None:
        self.desk, self.url = desk, f"smtp://127.0.0.1:{port}"

    async def next(self, *people: Somebody) -> dict[str, EmailMessage]:
        """The next mail to each of them; others are none of the test's business."""
        found: dict[str, EmailMessage] = {}
        wanted = {one.user.email for one in people}
        async with asyncio.timeout(TIMEOUT_SECONDS):
            while found.keys() != wanted:
                (to,), message = await self.desk.taken.get()
                if to in wanted:
                    assert to not in found
                    found[to] = message
        return found


@pytest.fixture(scope="module")
async def post() -> AsyncIterator[Post]:
    desk = Desk()
    async with serving_mail(desk) as port:
        yield Post(desk, port)


@pytest.fixture(scope="module")
async def mailed(
    mongo_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory, post: Post
) -> AsyncIterator[Market]:
    folder = tmp_path_factory.mktemp("mails")
    async with served_market(mongo_url, redis_url, folder, SMTP_URL=post.url) as market:
        yield market


@pytest.fixture
async def market(mailed: Market) -> Market:
    mailed.clock.now = START - timedelta(days=3)
    return mailed


async def pair(market: Market) -> tuple[Somebody, Somebody]:
    """A client in Berlin, a trainer in New York."""
    trainer = await market.trainer(zone="America/New_York")
    client = await market.client(trainer)
    answer = await market.call("PATCH", "/me", {"timeZone": "Europe/Berlin"}, client)
    assert (answer.status, answer.body["timeZone"]) == (200, "Europe/Berlin")
    return client, trainer


NEW_YORK, BERLIN = "10:00-11:00 (America/New_York, UTC-05:00)", "16:00-17:00 (Europe/Berlin, UTC+01:00)"


async def test_both_are_told_of_what_is_booked_moved_and_cancelled(market: Market, post: Post) -> None:
    client, trainer = await pair(market)
    booking = await market.booked(client, trainer, START)
    mails = await post.next(client, trainer)
    assert mails.keys() == {client.user.email, trainer.user.email}
    for who, own, other in ((client, BERLIN, NEW_YORK), (trainer, NEW_YORK, BERLIN)):
        message = mails[who.user.email]
        assert message["Subject"] == "Your session is booked"
        text = text_of(message)
        # One's own time comes first.
        assert 0 < text.index(f"Monday, 1 February 2027, {own}") < text.index(f"Monday, 1 February 2027, {other}")
        party = "trainer" if who is client else "client"
        assert booking["parties"][party]["name"] in text
    await market.move(booking, trainer, START + timedelta(hours=10))
    for message in (await post.next(client, trainer)).values():
        assert message["Subject"] == "Your session was moved"
        text = text_of(message)
        # In Berlin it is the next day.
        assert text.index("20:00-21:00 (America/New_York, UTC-05:00)") != text.index(NEW_YORK)
        assert "Tuesday, 2 February 2027, 02:00-03:00 (Europe/Berlin, UTC+01:00)" in text
        assert text.index("02:00-03:00") < text.index("Before") < text.index(BERLIN)
    await market.cancel(booking, client)
    mails = await post.next(client, trainer)
    assert {message["Subject"] for message in mails.values()} == {"Your session was cancelled"}
    assert "by you" in text_of(mails[client.user.email])
    assert "by the client" in text_of(mails[trainer.user.email])


async def test_in_one_zone_the_time_is_said_once(market: Market, post: Post) -> None:
    """Whoever has not said where it is reads the time of the session's zone."""
    trainer = await market.trainer(zone="America/New_York")
    client = await market.client(trainer)
    await market.booked(client, trainer, START)
    for message in (await post.next(client, trainer)).values():
        assert text_of(message).count("10:00") == 1
        assert NEW_YORK in text_of(message)


async def test_a_repeated_hour_is_told_apart(market: Market, post: Post) -> None:
    market.clock.now = datetime(2027, 11, 5, tzinfo=UTC)
    client, trainer = await pair(market)
    await market.booked(client, trainer, datetime(2027, 11, 7, 5, 0, tzinfo=UTC))
    for message in (await post.next(client, trainer)).values():
        assert "01:00-01:00 (America/New_York, UTC-04:00 to UTC-05:00)" in text_of(message)


async def test_a_reminder_says_both_times(market: Market, post: Post) -> None:
    client, trainer = await pair(market)
    await market.booked(client, trainer, START)
    await post.next(client, trainer)
    market.clock.now = START - timedelta(hours=24)
    mails = await post.next(client, trainer)
    assert text_of(mails[client.user.email]).index(BERLIN) < text_of(mails[client.user.email]).index(NEW_YORK)
    assert text_of(mails[trainer.user.email]).index(NEW_YORK) < text_of(mails[trainer.user.email]).index(BERLIN)


async def test_a_hold_is_nobody_s_mail(market: Market, post: Post) -> None:
    trainer = await market.trainer()
    client = await market.client(trainer)
    held = await hold(market, client, trainer, market.at(9))
    assert (await market.cancel({"id": held.id}, client)).status == 200
    # What was to be told of it would have been told before.
    await market.booked(client, trainer, market.at(11))
    assert {message["Subject"] for message in (await post.next(client, trainer)).values()} == {"Your session is booked"}


async def test_a_repeat_mails_nothing_again(market: Market, post: Post) -> None:
    trainer = await market.trainer()
    client = await market.client(trainer)
    first = await market.booked(client, trainer, market.at(9), key="k")
    await post.next(client, trainer)
    assert await market.booked(client, trainer, market.at(9), key="k", node=1) == first
    await market.cancel(first, client)
    mails = await post.next(client, trainer)
    assert {message["Subject"] for message in mails.values()} == {"Your session was cancelled"}


async def test_a_mail_server_that_is_down_gets_them_later(market: Market, post: Post) -> None:
    trainer = await market.trainer()
    client = await market.client(trainer)
    post.desk.replies = ["451 later", "451 later"]
    await market.booked(client, trainer, market.at(9))
    async with asyncio.timeout(TIMEOUT_SECONDS):
        while post.desk.replies:
            post.desk.tried.clear()
            await post.desk.tried.wait()
        # When each is tried again is known once its attempt is over.
        await market.at_rest()
    market.clock.advance(seconds=61)
    await post.next(client, trainer)


async def test_a_name_is_no_link(market: Market, post: Post) -> None:
    trainer = await market.trainer()
    client = await market.client(trainer)
    named_so = {"name": "Win https://evil.example/ now"}
    assert (await market.call("PATCH", "/me/profile", named_so, client)).status == 200
    await market.booked(client, trainer, market.at(9))
    assert "evil.example" not in text_of((await post.next(client, trainer))[trainer.user.email])


@pytest.mark.parametrize(
    "step",
    [
        ("commitTransaction", ""),
        pytest.param(("insert", "messages"), marks=pytest.mark.verify),
        pytest.param("while they are handed in", marks=pytest.mark.verify),
    ],
)
async def test_a_kill_loses_no_mail_and_doubles_none(
    market: Market, mongo_url: str, redis_url: str, tmp_path: Path, post: Post, step: tuple[str, str] | str
) -> None:
    # The process has a clock of its own.
    market.clock.now = StandingClock().now
    trainer = await market.trainer()
    client = await market.client(trainer)
    place = urlsplit(mongo_url)
    post.desk.open.clear()
    try:
        async with tapped(place.hostname or "", place.port or 0, frozenset({"messages", "bookingMails"})) as tap:
            url = f"mongodb://127.0.0.1:{tap.port}/{market.nodes[0].database.db.name}?directConnection=true"
            async with served(url, redis_url, tmp_path, SMTP_URL=post.url) as process:
                market.urls.append(process.url)
                try:
                    if isinstance(step, tuple):
                        tap.arm(step, process.process.kill)
                        with pytest.raises(aiohttp.ClientError):
                            await market.book(client, trainer, market.at(9), node=2)
                    else:
                        post.desk.tried.clear()
                        await market.booked(client, trainer, market.at(9), node=2)
                        await post.desk.tried.wait()
                        await process.kill()
                finally:
                    tap.disarm()
                    market.urls.pop()
    finally:
        post.desk.open.set()
    told: dict[str, set[str]] = {}
    wanted = {"user": {"$in": [ObjectId(client.id), ObjectId(trainer.id)]}}
    async with asyncio.timeout(2 * TIMEOUT_SECONDS):
        rows = market.store.database.collection("bookingMails")
        while await rows.count_documents(wanted):
            # As the nodes do by themselves after some seconds.
            market.clock.advance(seconds=5)
            await work_off(booking_mails_job(market.nodes[0].context), market.clock)
    while not post.desk.taken.empty():
        (to,), message = post.desk.taken.get_nowait()
        if to in (client.user.email, trainer.user.email):
            told.setdefault(to, set()).add(message["Message-ID"])
    # A mail whose answer was lost is handed in again, as the same message.
    assert {to: len(ids) for to, ids in told.items()} == {client.user.email: 1, trainer.user.email: 1}


@pytest.mark.parametrize(
    "step",
    [
        ("commitTransaction", ""),
        pytest.param(("update", "bookings"), marks=pytest.mark.verify),
        pytest.param(("insert", "reminderMails"), marks=pytest.mark.verify),
        pytest.param("while they are handed in", marks=pytest.mark.verify),
    ],
)
async def test_a_kill_loses_no_reminder_and_doubles_none(
    market: Market, mongo_url: str, redis_url: str, tmp_path: Path, post: Post, step: tuple[str, str] | str
) -> None:
    # The process has a clock of its own: what is due by it is not for the other nodes.
    now = StandingClock().now
    market.clock.now = now - timedelta(days=2)
    trainer = await market.trainer()
    client = await market.client(trainer)
    booking = await market.booked(client, trainer, now.replace(minute=0, second=0, microsecond=0) + timedelta(hours=23))
    await post.next(client, trainer)
    row = {"_id": ObjectId(booking["id"])}
    bookings = market.store.database.collection("bookings")
    await bookings.update_one(row, {"$set": {"dueAt": now + timedelta(hours=1)}})
    place = urlsplit(mongo_url)
    async with tapped(place.hostname or "", place.port or 0, frozenset({"bookings", "reminderMails"})) as tap:
        url = f"mongodb://127.0.0.1:{tap.port}/{market.nodes[0].database.db.name}?directConnection=true"
        async with served(url, redis_url, tmp_path, SMTP_URL=post.url) as process:
            if isinstance(step, tuple):
                tap.arm(step, process.process.kill)
            else:
                post.desk.open.clear()
                post.desk.tried.clear()
            try:
                await bookings.update_one(row, {"$set": {"dueAt": now}})
                async with asyncio.timeout(TIMEOUT_SECONDS):
                    if isinstance(step, str):
                        await post.desk.tried.wait()
                        process.process.kill()
                    await process.process.wait()
            finally:
                tap.disarm()
                post.desk.open.set()
    # As the nodes do by themselves after a minute.
    market.clock.now = now + timedelta(minutes=2)
    context, mine = market.nodes[0].context, {"booking": ObjectId(booking["id"])}
    async with asyncio.timeout(2 * TIMEOUT_SECONDS):
        while not await bookings.find_one({**row, "reminded": "24h:mail:client", "dueAt": {"$gt": market.clock()}}):
            market.clock.advance(seconds=5)
            await work_off(due_bookings_job(context), market.clock)
        while await market.store.database.collection("reminderMails").count_documents(mine):
            market.clock.advance(seconds=5)
            await work_off(reminder_mails_job(context), market.clock)
    told: dict[str, list[str]] = {client.user.email: [], trainer.user.email: []}
    while not post.desk.taken.empty():
        (to,), message = post.desk.taken.get_nowait()
        if to in told:
            assert message["Subject"] == "Your session tomorrow"
            told[to].append(message["Message-ID"])
    assert [len(set(ids)) for ids in told.values()] == [1, 1]
    # A mail whose answer was lost is handed in again, as the same message.
    assert isinstance(step, str) or [len(ids) for ids in told.values()] == [1, 1]


async def test_whoever_is_gone_gets_none(market: Market, post: Post) -> None:
    trainer = await market.trainer()
    client = await market.client(trainer)
    booking = await market.booked(client, trainer, market.at(9))
    await post.next(client, trainer)
    assert await market.store.erasures.erase(client.user, market.clock()) is not None
    mails = await post.next(trainer)
    assert text_of(mails[trainer.user.email]).count("cancelled") == 1
    found: Data = (await market.call("GET", f"/bookings/{booking['id']}", None, trainer)).body
    assert found["status"] == "cancelled"
