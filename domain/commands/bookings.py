"""Commands of ``/bookings`` and of its REST twins."""

from __future__ import annotations

from typing import Literal

import msgspec

from domain.bookings import Status
from domain.commands import Command
from domain.fields import Cursor, Date, DateOrInstant, Id, Instant, PageSize
from domain.text_fields import Note, Reason


class CreateBooking(Command, frozen=True, kw_only=True):
    """The server derives the end, the price and the policy."""

    trainer_id: Id
    starts_at: Instant
    pay_with: Literal["credit", "trial", "card"]
    note: Note | None = None


class GetBooking(Command, frozen=True, kw_only=True):
    booking_id: Id


class ListBookings(Command, frozen=True, kw_only=True):
    """By start, the earliest first; a date as the end is inclusive."""

    status: Status | None = None
    since: DateOrInstant | None = msgspec.field(name="from", default=None)
    until: DateOrInstant | None = msgspec.field(name="to", default=None)
    cursor: Cursor | None = None
    limit: PageSize = 20


class PreviewCancellation(Command, frozen=True, kw_only=True):
    booking_id: Id


class CancelBooking(Command, frozen=True, kw_only=True):
    booking_id: Id
    reason: Reason | None = None


class RescheduleBooking(Command, frozen=True, kw_only=True):
    booking_id: Id
    starts_at: Instant


class WatchSlots(Command, frozen=True, kw_only=True):
    """Dates in the trainer's zone, inclusive; watching another span of the same trainer replaces the first."""

    trainer_id: Id
    since: Date = msgspec.field(name="from")
    until: Date = msgspec.field(name="to")


class UnwatchSlots(Command, frozen=True, kw_only=True):
    trainer_id: Id


class ReportNoShow(Command, frozen=True, kw_only=True):
    booking_id: Id
