"""What the log says of a booking: an entry of kind ``booking`` tells what became of it, as of then."""

from __future__ import annotations

from datetime import datetime

import msgspec

from domain.booking_changes import Change
from domain.bookings import Action, Status
from domain.instants import to_wire


class BookingNote(msgspec.Struct, frozen=True, kw_only=True):
    """As the log holds it."""

    id: str
    action: Action
    starts_at: datetime
    ends_at: datetime
    status: Status


class BookingEntry(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The same on the wire."""

    id: str
    action: Action
    starts_at: str
    ends_at: str
    status: Status


def note_of(change: Change) -> BookingNote:
    booking = change.booking
    return BookingNote(
        id=booking.id,
        action=change.action,
        starts_at=booking.starts_at,
        ends_at=booking.ends_at,
        status=booking.status,
    )


def to_entry(note: BookingNote) -> BookingEntry:
    return BookingEntry(
        id=note.id,
        action=note.action,
        starts_at=to_wire(note.starts_at),
        ends_at=to_wire(note.ends_at),
        status=note.status,
    )
