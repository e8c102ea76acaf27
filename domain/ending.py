"""What becomes of a booking without anybody doing it: its time is over, or a party is gone."""

from __future__ import annotations

from datetime import datetime

from domain.booking_changes import NOTHING, Change, Settlement, on_cancellation, on_completion
from domain.bookings import COMPLETION_GRACE, UPCOMING, Booking, next_version
from domain.cancelling import cancellation


def ending(booking: Booking, now: datetime) -> tuple[Change, Settlement] | None:
    """Nothing as long as it goes on. The log has it in the name of the trainer, or of who is gone."""
    if booking.status not in UPCOMING:
        return None
    if booking.left_by is not None and now <= booking.starts_at:
        return _left(booking, now)
    if booking.status == "held":
        return _expired(booking, now) if booking.held_until is not None and now >= booking.held_until else None
    return _completed(booking, now) if now >= booking.ends_at + COMPLETION_GRACE else None


def _left(booking: Booking, now: datetime) -> tuple[Change, Settlement]:
    """Cancelled, as if whose account was erased had done it."""
    by = booking.left_by
    assert by is not None
    free = cancellation(booking, by, now).free
    change = Change(
        booking=next_version(booking, now, status="cancelled", cancelled_by=by),
        action="cancelled",
        by=by,
        sender_id=booking.client_user_id if by == "client" else booking.trainer_user_id,
        was=booking.busy,
    )
    return change, on_cancellation(booking, free=free, now=now)


def _expired(booking: Booking, now: datetime) -> tuple[Change, Settlement]:
    expired = next_version(booking, now, status="expired", held_until=None)
    change = Change(
        booking=expired, action="expired", by=None, sender_id=booking.trainer_user_id, was=booking.busy
    )
    return change, NOTHING


def _completed(booking: Booking, now: datetime) -> tuple[Change, Settlement]:
    completed = next_version(booking, now, status="completed")
    change = Change(booking=completed, action="completed", by=None, sender_id=booking.trainer_user_id)
    return change, on_completion(booking, now)
