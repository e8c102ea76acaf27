"""Bookings as an iCalendar document (RFC 5545) that calendar programs subscribe to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta

import msgspec
from icalendar import Calendar, Event

from domain.bookings import Booking, Status
from domain.conversations import Card

# How often a program may ask again.
REFRESH = timedelta(minutes=15)
# How far back a feed reaches.
PAST = timedelta(days=90)

# A cancelled one stays in the feed: a program that has it would keep it otherwise.
_STATUS: dict[Status, str] = {
    "held": "TENTATIVE",
    "confirmed": "CONFIRMED",
    "completed": "CONFIRMED",
    "no_show": "CONFIRMED",
    "cancelled": "CANCELLED",
    "expired": "CANCELLED",
}


_END = b"END:VCALENDAR\r\n"


class CalendarAnswer(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """``url``: a path below the server's address; whoever knows it can read the feed."""

    url: str


def feed(bookings: Iterable[Booking], cards: Mapping[str, Card], viewer_id: str) -> Iterator[bytes]:
    """The document for one of the parties, in parts; the same bookings give the same bytes."""
    calendar = Calendar()
    calendar.add("prodid", "-//Spotter//Bookings//EN")
    calendar.add("version", "2.0")
    calendar.add("method", "PUBLISH")
    calendar.add("x-wr-calname", "Spotter")
    calendar.add("refresh-interval", REFRESH, parameters={"value": "DURATION"})
    calendar.add("x-published-ttl", "PT15M")
    empty: bytes = calendar.to_ical()
    yield empty.removesuffix(_END)
    for booking in bookings:
        other_id = next(user_id for user_id in booking.user_ids if user_id != viewer_id)
        yield _event(booking, cards.get(other_id)).to_ical()
    yield _END


def _event(booking: Booking, other: Card | None) -> Event:
    event = Event()
    event.add("uid", f"{booking.id}@spotter")
    event.add("sequence", booking.version - 1)
    # When it last changed and not when it was asked for, so that an unchanged feed is an unchanged document.
    event.add("dtstamp", booking.updated_at)
    event.add("created", booking.created_at)
    event.add("last-modified", booking.updated_at)
    event.add("dtstart", booking.starts_at)
    event.add("dtend", booking.ends_at)
    event.add("summary", f"Training with {_line(other.name if other else '') or 'somebody'}")
    event.add("status", _STATUS[booking.status])
    event.add("transp", "TRANSPARENT" if _STATUS[booking.status] == "CANCELLED" else "OPAQUE")
    words = [f"Status: {booking.status.replace('_', ' ')}", booking.note or ""]
    event.add("description", "\n".join(_printable(word) for word in words if word))
    return event


def _line(text: str) -> str:
    return " ".join(_printable(text).split())


def _printable(text: str) -> str:
    """Without control characters, of which RFC 5545 allows none but tabs, and with one kind of line ends.

    A separator that is a character to one program ends the line for another, and what follows would be its own.
    """
    return "\n".join("".join(filter(_is_allowed, line)) for line in text.splitlines())


def _is_allowed(character: str) -> bool:
    return character == "\t" or (ord(character) >= 0x20 and ord(character) != 0x7F)
