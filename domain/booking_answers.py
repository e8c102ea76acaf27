"""Bookings on the wire."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from domain.answers import Answer
from domain.bookings import Booking, PaidWith, Party, Status, duration_in_minutes, wall_times
from domain.instants import to_wire
from domain.pricing import CancellationPolicy


class PartyCard(Answer, frozen=True, kw_only=True):
    """``id`` is that of the Client or Trainer."""

    id: str
    user_id: str
    name: str
    profile_image: str | None = msgspec.field(name="profile_image")


class Parties(Answer, frozen=True, kw_only=True):
    client: PartyCard
    trainer: PartyCard


class BookingAnswer(Answer, frozen=True, kw_only=True):
    """``date``, ``startTime``, ``endTime`` are wall times in ``timeZone``; ``version`` grows with each change."""

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
    duration_in_mins: int
    cancellation_policy: CancellationPolicy
    paid_with: PaidWith
    conversation_id: str
    version: int
    note: str | None
    cancelled_by: Party | msgspec.UnsetType = msgspec.UNSET
    reason: str | msgspec.UnsetType = msgspec.UNSET
    parties: Parties
    created_at: str
    updated_at: str


class BookingPage(Answer, frozen=True, kw_only=True):
    items: list[BookingAnswer]
    next_cursor: str | None


class CancellationPreview(Answer, frozen=True, kw_only=True):
    """``credit_returned``: a credit comes back; a trial, which is none, can be taken again when ``free``."""

    free: bool
    credit_returned: bool
    deadline: str


def booking_answer(booking: Booking, cards: Mapping[str, PartyCard]) -> BookingAnswer:
    """``cards`` by user id."""
    wall = wall_times(booking)
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
        duration_in_mins=duration_in_minutes(booking),
        cancellation_policy=booking.cancellation_policy,
        paid_with=booking.paid_with,
        conversation_id=booking.conversation_id,
        version=booking.version,
        note=booking.note,
        cancelled_by=booking.cancelled_by or msgspec.UNSET,
        reason=booking.reason or msgspec.UNSET,
        parties=Parties(client=cards[booking.client_user_id], trainer=cards[booking.trainer_user_id]),
        created_at=to_wire(booking.created_at),
        updated_at=to_wire(booking.updated_at),
    )
