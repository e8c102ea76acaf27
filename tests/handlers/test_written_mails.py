"""Mails as they are read: whatever people call themselves, on a narrow screen, and in both parts the same.

Each kind was looked at in a browser once, at 360 and 800 pixels, light and dark; what can be held by structure is here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path

from domain.accounts import Role
from domain.bookings import Booking
from domain.characters import UNSEEN, is_blank
from domain.payments import PaymentNotice
from domain.proofs import Registration
from domain.sessions import Session
from handlers import mails
from handlers.mail_rendering import Mail
from handlers.mails import Addressee, Codes

AT = datetime(2027, 2, 1, 15, 0, tzinfo=UTC)
# The longest names of zones have no blank either.
ZONE, ID = "America/Argentina/ComodRivadavia", "64b7f0c2a1b2c3d4e5f60718"
UNSUBSCRIBE = f"https://spotter.example/v1/unsubscribe/{ID}.message.{'a' * 64}"
CODES = Codes(digits="042137", link="AbCdEf" * 10)
SPAN = (AT, AT + timedelta(hours=1))
NAMES = {
    "usual": "Anna Müller",
    "long": "Wolfeschlegelsteinhausenbergerdorff" * 4,
    "arabic": "محمد بن عبد الله 42",
    "emoji": "🏋️‍♀️💪️ Zoë 👩‍👩‍👧",
    "emoji alone": "💪️",
    "html": '<b>Bob</b> <img src=x onerror=alert(1)> & "co" https://evil.example/login',
    "heap": "A" + "\u0300" * 50 + "nna",
    "moved": "\u202eevil\u2066 \u200bname",
    "unseen": "\u3164",
    "none": "",
}


def registration(name: str) -> Registration:
    return Registration(
        id="x", email="a@example.com", nonce="n", expires_at=AT, password="x", role="client", name=name,
        time_zone=ZONE, device="an iPhone", created_at=AT,
    )  # fmt: skip


def person(name: str, role: Role, zone: str) -> Addressee:
    return Addressee(email="a@example.com", name=name, role=role, time_zone=zone)


def notice(amount: int, credits: int) -> PaymentNotice:
    return PaymentNotice(
        transaction_id=ID, effect="x", action="paid" if amount > 0 else "refunded", credits=credits, amount=amount,
        currency="usd", client_user_id=ID, trainer_user_id=ID, trainer_id=ID, conversation_id=ID, balance=5, version=1,
        at=AT,
    )  # fmt: skip


def booking() -> Booking:
    return Booking(
        id=ID, trainer_id=ID, client_id=ID, trainer_user_id=ID, client_user_id=ID, conversation_id=ID,
        starts_at=SPAN[0], ends_at=SPAN[1], time_zone=ZONE, break_mins=0, cancellation_policy="ALWAYS_FREE",
        status="confirmed", paid_with="credit", arranged_at=AT, created_at=AT, updated_at=AT,
    )  # fmt: skip


def of_a_name(name: str) -> Iterator[tuple[str, Mail]]:
    own, other = person("Me", "client", ZONE), person(name, "trainer", "Europe/Berlin")
    before = (AT - timedelta(days=2), AT - timedelta(days=2) + timedelta(hours=1))
    yield "verification", mails.verification_code(registration(name), CODES)
    yield "known", mails.already_registered(registration(name))
    yield "moved", mails.booking_changed(own, other, "rescheduled", "trainer", SPAN, before, key="k")
    yield "booked", mails.booking_changed(own, other, "confirmed", None, SPAN, None, key="k")
    yield "reminder", mails.session_reminder(own, other, booking(), 24)
    yield "receipt", mails.receipt("a@example.com", notice(123456789, 10), name, ZONE, key="k")
    yield "digest", mails.unread_digest("a@example.com", [(name, 7)] * 300, key="k")


def of_nobody() -> Iterator[tuple[str, Mail]]:
    session = Session(
        id=ID, user_id=ID, device=None, nonce="n", generation=0, rotated_at=AT, password_changed_at=None,
        created_at=AT, last_used_at=AT, expires_at=AT,
    )  # fmt: skip
    yield "reset", mails.reset_code("a@example.com", CODES)
    yield "changed", mails.password_changed("a@example.com")
    yield "sign-in", mails.new_sign_in("a@example.com", session, "an Android device", "k", ZONE)
    yield "export", mails.export_ready("a@example.com", timedelta(days=7), "k")
    yield "refund", mails.receipt("a@example.com", notice(-4500, 0), "", None, key="k")


EACH = [
    *((f"{kind}, {what}", mail) for what, name in NAMES.items() for kind, mail in of_a_name(name)),
    *of_nobody(),
]


def test_each_kind_is_among_them() -> None:
    folder = Path(mails.__file__).parent / "mail_templates"
    templates = {path.stem for path in folder.iterdir()} - {"layout", "parts"}
    assert {mail.template for _, mail in EACH} == templates


@dataclass
class Shown:
    """A piece of text as it is shown."""

    text: str
    color: str
    background: str


@dataclass
class Page(HTMLParser):
    """What a mail program makes of the HTML part."""

    shown: list[Shown] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    elements: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()
        self._open: list[tuple[str, str, str]] = [("", "", "")]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        style = styles(given)
        self.elements.append((tag, given))
        if "href" in given:
            self.links.append(given["href"])
        _, color, background = self._open[-1]
        if tag not in ("meta", "br", "img"):
            self._open.append((tag, style.get("color", color), style.get("background-color", background)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop()[0] == tag, tag

    def handle_data(self, data: str) -> None:
        tag, color, background = self._open[-1]
        if data.strip() and tag != "title":
            self.shown.append(Shown(" ".join(data.split()), color, background))


def styles(attributes: dict[str, str]) -> dict[str, str]:
    pairs = (one.partition(":") for one in attributes.get("style", "").split(";") if one)
    return {name.strip(): value.strip() for name, _, value in pairs}


def page_of(mail: Mail) -> Page:
    page = Page()
    page.feed(mail.written("html", UNSUBSCRIBE))
    return page


def luminance(color: str) -> float:
    """WCAG 2.2, relative luminance."""
    assert re.fullmatch(r"#[0-9a-f]{6}", color), f"{color!r} is no colour of six digits"
    parts = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_everything_can_be_read() -> None:
    for name, mail in EACH:
        for one in page_of(mail).shown:
            light, dark = sorted((luminance(one.color), luminance(one.background)), reverse=True)
            # WCAG 2.2, 1.4.3.
            assert (light + 0.05) / (dark + 0.05) >= 4.5, (name, one)


def test_programs_that_change_colours_change_both() -> None:
    """Those with a dark mode of their own change a text and what it stands on element by element."""
    for name, mail in EACH:
        for tag, given in page_of(mail).elements:
            style = styles(given)
            if "background-color" in style and tag not in ("body", "table"):
                assert "color" in style, (name, tag, given)


def test_nothing_is_wider_than_the_screen() -> None:
    """However long a word is: a table is as wide as it is told to be, and each cell breaks what does not fit."""
    for name, mail in EACH:
        for tag, given in page_of(mail).elements:
            style = styles(given)
            assert style.get("white-space") != "nowrap" and "min-width" not in style, (name, tag, given)
            assert re.fullmatch(r"(\d{1,3}(px)?|100%)?", style.get("width", given.get("width", ""))), (name, tag, given)
            if tag == "table":
                assert (given["width"], style["table-layout"]) == ("100%", "fixed")
            elif tag == "td":
                assert (style["overflow-wrap"], style["word-break"]) == ("anywhere", "break-word"), (name, given)


def test_both_parts_tell_the_same() -> None:
    for _, mail in EACH:
        page, text = page_of(mail), mail.written("txt", UNSUBSCRIBE)
        links = re.findall(r"\w+://\S+", text)
        assert sorted(links) == sorted(page.links)
        for link in links:
            text = text.replace(link, "")
        said = " ".join(one.text for one in page.shown)
        # Times, dates, numbers, codes and whoever has digits in the name: in the same order.
        figures = re.compile(r"[^\s]*\d[^\s]*")
        assert figures.findall(text) == figures.findall(said.replace(mail.subject, "", 1))
        assert not is_blank(said) and mail.subject in said


def test_a_name_is_nothing_but_a_name() -> None:
    for _, mail in EACH:
        page = page_of(mail)
        assert {tag for tag, _ in page.elements} <= {
            "html", "head", "meta", "title", "body", "table", "tr", "td", "p", "h1", "a", "span", "br", "ul", "li",
            "strong",
        }  # fmt: skip
        # What moves letters around is there to hold a name together, and ends with it.
        for part in (mail.text, " ".join(one.text for one in page.shown)):
            rest = re.sub("\u2068[^\u2068\u2069\n]+\u2069", "name", part)
            assert not re.search(f"[{UNSEEN}]", rest.replace("\n", " ")), part
            assert not re.search("[\u0300-\u036f\ufe0f]{5}| \ufe0f", part), part
            assert "“”" not in part and "with  " not in part and "with begins" not in part
        assert "evil.example" not in mail.text


def test_letters_that_run_the_other_way_leave_the_rest_where_it_is() -> None:
    name = "\u2068محمد بن عبد الله 42\u2069"
    for _, mail in of_a_name(NAMES["arabic"]):
        assert name in mail.text and name in mail.html
    # Whoever does not need that has none of it.
    for _, mail in of_a_name(NAMES["usual"]):
        assert "Anna Müller" in mail.text and "\u2068" not in mail.text + mail.html


def test_a_count_that_stops_says_so() -> None:
    """Unread messages are counted up to 100."""
    mail = mails.unread_digest("a@example.com", [("Anna", 100), ("Bob", 3)], key="k")
    assert mail.subject == "103+ unread messages for you"
    assert "- 100+ from Anna\n- 3 from Bob\n" in mail.text
    assert "<strong>100+</strong> from Anna" in mail.html
