"""Commands and answers of ``/bookings``, of its REST twins, and of the calendar feed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, get_args

import msgspec
from msgspec import Meta

from domain.bookings import Booking, PaidWith, Party, Status, duration_in_minutes, utc_offsets, wall_times
from domain.catalogue import CancellationPolicy
from domain.times import to_wire
from domain.wire.base import Answer, Command
from domain.wire.fields import Cursor, Date, DateOrInstant, Id, IdempotencyKey, Instant, Note, PageSize, ReasonText


class CreateBooking(Command, frozen=True, kw_only=True):
    """The server derives the end, the price and the policy."""

    # On both surfaces: whoever asks again after a lost answer books once.
    idempotency_key: IdempotencyKey
    trainer_id: Id
    starts_at: Instant
    pay_with: Literal["credit", "trial", "card"]
    note: Note | None = None


class GetBooking(Command, frozen=True, kw_only=True):
    booking_id: Id


_STATUS = "|".join(get_args(Status))
Statuses = Annotated[
    str,
    Meta(
        max_length=100,
        pattern=rf"^(?:{_STATUS})(?:,(?:{_STATUS}))*\Z",
        description=f"one or several, parted by commas, of {', '.join(get_args(Status))}",
    ),
]


class ListBookings(Command, frozen=True, kw_only=True):
    """By start, the earliest first; a date as the end is inclusive.

    With ``changed_after``, empty or the ``changes`` of the last answer, what changed since, the oldest change first; it
    goes with a ``limit`` alone.
    """

    status: Statuses | None = None
    since: DateOrInstant | None = msgspec.field(name="from", default=None)
    until: DateOrInstant | None = msgspec.field(name="to", default=None)
    cursor: Cursor | None = None
    changed_after: Annotated[str, Meta(max_length=512, description="empty, or ``changes`` of an answer")] | None = None
    limit: PageSize = 20


class PreviewCancellation(Command, frozen=True, kw_only=True):
    booking_id: Id


class CancelBooking(Command, frozen=True, kw_only=True):
    booking_id: Id
    reason: ReasonText | None = None


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


FeedToken = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{20,64}\Z", description="the secret part of the feed's URL")]


class ReadCalendar(Command, frozen=True, kw_only=True):
    token: FeedToken


class OpenCalendar(Command, frozen=True, kw_only=True):
    """``rotate``: in place of the feed that there is, which ends."""

    rotate: bool = False


class CalendarState(Answer, frozen=True, kw_only=True):
    """``createdAt``: since when the present URL has been good."""

    active: bool
    created_at: str | msgspec.UnsetType = msgspec.UNSET


class CalendarAnswer(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """``url``: a path below the server's address; whoever has it can read the feed."""

    url: str


class PartyCard(Answer, frozen=True, kw_only=True):
    """``id`` is that of the Client or Trainer."""

    id: str
    user_id: str
    name: str
    profile_image: str | None = msgspec.field(name="profile_image")


class Parties(Answer, frozen=True, kw_only=True):
    client: PartyCard
    trainer: PartyCard


class UtcOffsets(Answer, frozen=True, kw_only=True):
    """Like ``-04:00``."""

    start: str
    end: str


class HoldPayment(Answer, frozen=True, kw_only=True):
    """What a device pays a held slot with, at Stripe, until ``expires_at``; ``api_base`` where something stands in for
    it."""

    client_secret: str
    publishable_key: str
    api_base: str | msgspec.UnsetType = msgspec.UNSET
    expires_at: str


class BookingAnswer(Answer, frozen=True, kw_only=True):
    """``date``, ``startTime``, ``endTime`` are wall times in ``timeZone``, to be read by people: an end before the
    start is on the next day, and in an hour that the clocks repeat the two may be equal. Compute with ``startsAt`` and
    ``endsAt``; ``utcOffsets`` tell the wall times apart. ``version`` grows with each change.

    ``reviewId``: of a session that its client has reviewed.
    ``blocked`` is there, and true, while one of the two blocks the other.
    """

    id: str
    trainer: str
    client: str
    status: Status
    starts_at: str
    ends_at: str
    time_zone: str
    date: str
    start_time: str
    end_time: str
    utc_offsets: UtcOffsets
    duration_in_mins: int
    cancellation_policy: CancellationPolicy
    paid_with: PaidWith
    conversation_id: str
    version: int
    note: str | None
    cancelled_by: Party | msgspec.UnsetType = msgspec.UNSET
    reason: str | msgspec.UnsetType = msgspec.UNSET
    review_id: str | msgspec.UnsetType = msgspec.UNSET
    parties: Parties
    blocked: bool | msgspec.UnsetType = msgspec.UNSET
    created_at: str
    updated_at: str
    payment: HoldPayment | msgspec.UnsetType = msgspec.UNSET


class BookingPage(Answer, frozen=True, kw_only=True):
    """By start it has ``next_cursor``; what changed has ``changes``, the next ``changedAfter``, and ``has_more``."""

    items: list[BookingAnswer]
    next_cursor: str | msgspec.UnsetType | None = msgspec.UNSET
    changes: str | msgspec.UnsetType = msgspec.UNSET
    has_more: bool | msgspec.UnsetType = msgspec.UNSET


class CancellationPreview(Answer, frozen=True, kw_only=True):
    """``credit_returned``: a credit comes back; a trial, which is none, can be taken again when ``free``."""

    free: bool
    credit_returned: bool
    deadline: str


def booking_answer(
    booking: Booking, cards: Mapping[str, PartyCard], review_id: str | None = None, *, blocked: bool
) -> BookingAnswer:
    """``cards`` by user id."""
    wall = wall_times(booking)
    at_start, at_end = utc_offsets(booking)
    return BookingAnswer(
        id=booking.id,
        trainer=booking.trainer_id,
        client=booking.client_id,
        status=booking.status,
        starts_at=to_wire(booking.starts_at),
        ends_at=to_wire(booking.ends_at),
        time_zone=booking.time_zone,
        date=wall.date,
        start_time=wall.start_time,
        end_time=wall.end_time,
        utc_offsets=UtcOffsets(start=at_start, end=at_end),
        duration_in_mins=duration_in_minutes(booking),
        cancellation_policy=booking.cancellation_policy,
        paid_with=booking.paid_with,
        conversation_id=booking.conversation_id,
        version=booking.version,
        note=booking.note,
        cancelled_by=booking.cancelled_by or msgspec.UNSET,
        reason=booking.reason or msgspec.UNSET,
        review_id=review_id or msgspec.UNSET,
        parties=Parties(client=cards[booking.client_user_id], trainer=cards[booking.trainer_user_id]),
        blocked=blocked or msgspec.UNSET,
        created_at=to_wire(booking.created_at),
        updated_at=to_wire(booking.updated_at),
    )
