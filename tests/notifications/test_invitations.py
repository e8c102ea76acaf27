"""Mails as programs read them: parts, headers, invitations that follow a booking, and the link that ends them."""

from __future__ import annotations

import asyncio
import re
from datetime import timedelta
from email.message import EmailMessage
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import icalendar
import pytest
import vobject

from handlers.bookings.mailing import booking_mails_job
from handlers.mail_rendering import Mail
from handlers.notifications.unsubscribing import path_of
from server.mail.message import address_of, to_message
from tests.bookings.market import Market, Somebody
from tests.harness.devices import TIMEOUT_SECONDS
from tests.harness.mail_server import Desk, plain_of
from tests.harness.work import work_off
from tests.notifications.pushed import PUBLIC, Pushed


class Post:
    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.others: set[str] = set()

    async def next(self, to: Somebody) -> EmailMessage:
        """The next mail to this one; others are none of the test's business."""
        async with asyncio.timeout(TIMEOUT_SECONDS):
            while True:
                (recipient,), message = await self.desk.taken.get()
                if recipient == to.user.email:
                    return message
                self.others.add(recipient)


@pytest.fixture
def mailed(pushed: Pushed) -> tuple[Market, Post]:
    return pushed.market, Post(pushed.desk)


def calendar_of(message: EmailMessage) -> tuple[Any, Any]:
    """By both libraries, which have to read the same."""
    (part,) = [one for one in message.walk() if one.get_content_type() == "text/calendar"]
    raw = part.get_payload(decode=True)
    assert isinstance(raw, bytes)
    assert raw.count(b"\n") == raw.count(b"\r\n")
    calendar = icalendar.Calendar.from_ical(raw)
    (event,) = calendar.walk("VEVENT")
    other = vobject.readOne(raw.decode())
    assert other.vevent.uid.value == str(event["UID"])
    assert part.get_param("method") == str(calendar["METHOD"]) == other.method.value
    return calendar, event


async def test_an_invitation_follows_the_booking(mailed: tuple[Market, Post]) -> None:
    market, post = mailed
    trainer = await market.trainer(zone="America/New_York")
    client = await market.client(trainer)
    start = market.at(15)
    booking = await market.booked(client, trainer, start)
    first = await post.next(client)
    assert [one.get_content_type() for one in first.iter_parts()] == ["text/plain", "text/html", "text/calendar"]
    calendar, event = calendar_of(first)
    assert calendar["METHOD"] == "REQUEST"
    assert (event["SEQUENCE"], event["DTSTART"].dt) == (0, start)
    assert event["DTEND"].dt == start + timedelta(hours=1)
    assert str(event["ATTENDEE"]) == f"mailto:{client.user.email}"
    assert event["ATTENDEE"].params["RSVP"] == "FALSE"
    assert str(event["ORGANIZER"]) == "mailto:no-reply@localhost"
    assert booking["parties"]["trainer"]["name"] in str(event["SUMMARY"])
    assert (await market.move(booking, trainer, start + timedelta(hours=3))).status == 200
    calendar, moved = calendar_of(await post.next(client))
    assert (calendar["METHOD"], moved["SEQUENCE"]) == ("REQUEST", 1)
    assert moved["DTSTART"].dt == start + timedelta(hours=3)
    assert (await market.cancel(booking, client)).status == 200
    calendar, ended = calendar_of(await post.next(client))
    assert (calendar["METHOD"], ended["SEQUENCE"], ended["STATUS"]) == ("CANCEL", 2, "CANCELLED")
    assert event["UID"] == moved["UID"] == ended["UID"]
    # The feed has the same session under the same name.
    feed = (await market.call("POST", "/me/calendar", {}, client)).body["url"].removeprefix("/v1")
    fed = icalendar.Calendar.from_ical((await market.call("GET", feed)).body)
    assert [(one["UID"], one["SEQUENCE"]) for one in fed.walk("VEVENT")] == [(ended["UID"], 2)]


async def test_one_click_ends_mails_of_a_kind(mailed: tuple[Market, Post]) -> None:
    market, post = mailed
    trainer = await market.trainer()
    client = await market.client(trainer)
    booking = await market.booked(client, trainer, market.at(9))
    mail = await post.next(client)
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    link = re.fullmatch(rf"<{re.escape(PUBLIC)}(/v1/unsubscribe/\S+)>", mail["List-Unsubscribe"])
    assert link and PUBLIC + link[1] in plain_of(mail)
    assert f'href="{PUBLIC}{link[1]}"' in html_of(mail)
    url = market.urls[0] + link[1]

    async def wants() -> object:
        answer = await market.call("GET", "/me/notifications", None, client)
        return next(one["channels"]["mail"] for one in answer.body["kinds"] if one["kind"] == "booking")

    # Programs open links that nobody clicked.
    async with market.http.get(url) as page:
        assert (page.status, page.content_type) == (200, "text/html")
        assert '<form method="post">' in await page.text()
    assert await wants() is True
    for _ in range(2):
        async with market.http.post(url, data={"List-Unsubscribe": "One-Click"}) as done:
            assert done.status == 200
    assert await wants() is False
    post.others.clear()
    multipart = aiohttp.FormData(default_to_multipart=True)
    multipart.add_field("List-Unsubscribe", "One-Click")
    async with market.http.post(url, data=multipart) as done:
        assert done.status == 200
    assert (await market.cancel(booking, client)).status == 200
    await work_off(booking_mails_job(market.nodes[0].context), market.clock)
    # The other is told of everything.
    while (await post.next(trainer))["Subject"] != "Your session was cancelled":
        pass
    assert client.user.email not in post.others


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_link_that_is_none_ends_nothing(mailed: tuple[Market, Post], method: str) -> None:
    market, _ = mailed
    client = await market.client()
    good = path_of(market.nodes[0].secrets, client.id, "message")
    forged = good[:-1] + ("0" if good[-1] != "0" else "1")
    others = [good.replace(".message.", f".{kind}.") for kind in ("booking", "account", "signIn", "gossip")]
    for path in (forged, *others):
        async with market.http.request(method, market.urls[0] + path) as answer:
            assert (answer.status, (await answer.json(content_type=None))["code"]) == (404, "not_found")
    for path in ("/v1/unsubscribe/x", good + "0"):
        async with market.http.request(method, market.urls[0] + path) as answer:
            assert answer.status == 422
    assert await market.store.erasures.erase(client.user, market.clock()) is not None
    async with market.http.request(method, market.urls[0] + good) as answer:
        assert answer.status == 200
    kept = await market.nodes[0].database.collection("notificationPreferences").find_one({"_id": client.id})
    assert kept is None


class Texts(HTMLParser):
    """What is to be read, and the tags that stand open at the end."""

    VOID = frozenset({"meta", "br"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def html_of(message: EmailMessage) -> str:
    rich = message.get_body(("html",))
    assert rich is not None
    return str(rich.get_content())


async def test_both_parts_say_the_same(mailed: tuple[Market, Post]) -> None:
    market, post = mailed
    trainer = await market.trainer(zone="America/New_York")
    client = await market.client(trainer)
    name = {"name": "Ann <b>& Co</b> http://evil.example/"}
    assert (await market.call("PATCH", "/me/profile", name, trainer)).status == 200
    await market.booked(client, trainer, market.at(9))
    mail = await post.next(client)
    read = Texts()
    read.feed(html_of(mail))
    read.close()
    assert read.open == []
    words = " ".join(read.text.split())
    for line in plain_of(mail).splitlines():
        said = line.strip().partition("--")[0].partition(f"{PUBLIC}/v1")[0].strip(" :")
        assert said in words, said
    assert "evil.example/" not in words and "<b>" not in html_of(mail)
    assert not re.search(r"<(script|style|link|img)\b", html_of(mail))


@pytest.mark.parametrize("public_url", [None, PUBLIC])
def test_nothing_answers_a_mail(public_url: str | None) -> None:
    sender = address_of("Spotter <no-reply@spotter.example>")
    mail = Mail(to="ann@example.com", subject="Hello", template="password_changed", unsubscribe="/v1/unsubscribe/x")
    message = to_message(mail, sender, public_url)
    assert (message["Auto-Submitted"], message["X-Auto-Response-Suppress"]) == ("auto-generated", "All")
    assert message["Reply-To"] is None and message["Disposition-Notification-To"] is None
    assert (message["List-Unsubscribe"] is None) == (public_url is None)
    # Without a kind that can be ended there is nothing to click.
    fixed = to_message(Mail(to="ann@example.com", subject="Hello", template="password_changed"), sender, public_url)
    assert fixed["List-Unsubscribe"] is None and urlsplit(PUBLIC).netloc not in fixed.as_string()
