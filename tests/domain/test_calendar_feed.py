"""The calendar feed, read by two parsers that have nothing in common, whatever people call themselves."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import pytest
import vobject
from icalendar import Calendar

from domain.bookings import Booking, Status
from domain.conversations import UserSummary
from handlers.bookings.calendar import feed

START = datetime(2026, 11, 1, 9, tzinfo=UTC)
MADE = START - timedelta(days=7)
TRAINER, CLIENT = "c" * 24, "d" * 24

# What somebody is called, and what a program may show of it.
NAMES = {
    "Ann": "Ann",
    "Smith, Ann; PhD: 1\\2": "Smith, Ann; PhD: 1\\2",
    "Ann\r\nEND:VEVENT\r\nBEGIN:VEVENT": "Ann END:VEVENT BEGIN:VEVENT",
    "\u2028END:VEVENT\u2029X\x85Y\x0bZ": "END:VEVENT X Y Z",
    "\\n\\,\\;": "\\n\\,\\;",
    "^n \"quoted\" ^'": "^n \"quoted\" ^'",
    "x" * 300: "x" * 300,
    "é" * 300: "é" * 300,
    "🏋️‍♀️" * 60: "🏋️‍♀️" * 60,
    "شاهين عبد": "شاهين عبد",
    "\x00\x07\x7f": "somebody",
    "  ": "somebody",
    "": "somebody",
}


def booking(**changed: Any) -> Booking:
    fields: dict[str, Any] = {
        "id": "e" * 24,
        "trainer_id": "a" * 24,
        "client_id": "b" * 24,
        "trainer_user_id": TRAINER,
        "client_user_id": CLIENT,
        "conversation_id": "f" * 24,
        "starts_at": START,
        "ends_at": START + timedelta(hours=1),
        "time_zone": "America/New_York",
        "break_mins": 0,
        "cancellation_policy": "ALWAYS_FREE",
        "status": "confirmed",
        "paid_with": "credit",
        "arranged_at": MADE,
        "created_at": MADE,
        "updated_at": MADE,
    }
    return Booking(**{**fields, **changed})


def document(one: Booking, name: str = "Ann") -> str:
    card = UserSummary(user_id=CLIENT, role="client", profile_id="b" * 24, name=name, profile_image=None)
    return b"".join(feed([one], {CLIENT: card}, TRAINER)).decode()


def by_icalendar(text: str) -> Any:
    (event,) = Calendar.from_ical(text).walk("VEVENT")
    assert not event.subcomponents
    return event


def by_vobject(text: str) -> Any:
    (calendar,) = vobject.readComponents(text)
    assert calendar.validate(raiseException=True)
    (event,) = calendar.vevent_list
    assert not list(event.components())
    return event


@pytest.mark.parametrize(("name", "shown"), NAMES.items(), ids=range(len(NAMES)))
def test_a_name_stays_a_name(name: str, shown: str) -> None:
    text = document(booking(note=name or None), name)
    assert str(by_icalendar(text)["summary"]) == f"Training with {shown}"
    assert by_vobject(text).summary.value == f"Training with {shown}"


@pytest.mark.parametrize("note", NAMES, ids=range(len(NAMES)))
def test_the_document_is_made_of_good_lines(note: str) -> None:
    data = document(booking(note=note), note).encode()
    assert data.endswith(b"END:VCALENDAR\r\n")
    for line in data.removesuffix(b"\r\n").split(b"\r\n"):
        assert len(line) <= 75
        # No fold goes through a character, and nothing is there that some program may take for the end of a line.
        assert re.fullmatch(r"[^\x00-\x08\x0a-\x1f\x7f\x85\u2028\u2029]+", line.decode())


def test_a_note_keeps_its_lines() -> None:
    text = document(booking(note="one,\r\ntwo;\u2028three\rfour"))
    said = "Status: confirmed\none,\ntwo;\nthree\nfour"
    assert str(by_icalendar(text)["description"]) == said
    assert by_vobject(text).description.value == said


STATUS = {
    "held": "TENTATIVE",
    "confirmed": "CONFIRMED",
    "completed": "CONFIRMED",
    "no_show": "CONFIRMED",
    "cancelled": "CANCELLED",
    "expired": "CANCELLED",
}


@pytest.mark.parametrize("status", get_args(Status))
def test_what_became_of_it(status: Status) -> None:
    text = document(booking(status=status, version=7, updated_at=START))
    event = by_icalendar(text)
    assert (event["status"], event["sequence"], event["uid"]) == (STATUS[status], 6, f"{'e' * 24}@spotter")
    assert event.decoded("last-modified") == event.decoded("dtstamp") == START
    assert by_vobject(text).status.value == STATUS[status]


def test_times_are_in_utc_whatever_the_zone() -> None:
    text = document(booking())
    assert "DTSTART:20261101T090000Z\r\n" in text
    assert by_vobject(text).dtend.value == START + timedelta(hours=1)


def test_programs_are_told_how_often_to_ask() -> None:
    text = document(booking())
    for line in ("METHOD:PUBLISH", "REFRESH-INTERVAL;VALUE=DURATION:PT15M", "X-PUBLISHED-TTL:PT15M"):
        assert f"\r\n{line}\r\n" in text
    assert text.startswith("BEGIN:VCALENDAR\r\nVERSION:2.0\r\n")
    (calendar,) = vobject.readComponents(text)
    assert calendar.x_wr_calname.value == "Spotter"


def test_no_bookings_are_a_calendar_too() -> None:
    text = b"".join(feed([], {}, TRAINER)).decode()
    assert Calendar.from_ical(text).walk("VEVENT") == []
    # RFC 5545, 3.6: a calendar has at least one component.
    (zone,) = Calendar.from_ical(text).walk("VTIMEZONE")
    assert zone["tzid"] == "UTC"
    (calendar,) = vobject.readComponents(text)
    assert calendar.validate(raiseException=True)
    assert text.endswith("END:VCALENDAR\r\n")
