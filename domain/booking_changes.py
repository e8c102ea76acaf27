"""A booking's change as one commit: its next version, its effect on credits and trials, and its entry in the log.

Some changes nobody asks for: a booking's time is over, or a party is gone (``ending``).
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from domain.bookings import COMPLETION_GRACE, UPCOMING, Action, Booking, Party, Status, cancellation, next_version
from domain.credits import Balance, CreditEntry, EntryKind, consume, settle
from domain.slots import Busy
from domain.times import to_wire, to_wire_or_none

TrialEffect = Literal["consume", "return", "move"]


class Settlement(msgspec.Struct, frozen=True, kw_only=True):
    """``trial_limit``: the trainer's trials a week, where one is consumed or moved."""

    credit: CreditEntry | None = None
    trial: TrialEffect | None = None
    trial_limit: int = 0


class BookingChange(msgspec.Struct, frozen=True, kw_only=True):
    """``by``: who did it, nobody for what time did; ``sender_id``: in whose name the log holds it.

    ``was``: the time that was given up. ``balance``: the client's credit afterwards, where it changed.
    """

    booking: Booking
    action: Action
    by: Party | None
    sender_id: str
    was: Busy | None = None
    balance: Balance | None = None

    @property
    def effect(self) -> str:
        return f"booking:{self.booking.id}:{self.booking.version}"


def version_of(effect: str) -> int:
    """Of the booking whose change it names."""
    return int(effect.rpartition(":")[2])


def is_mailed(before: Booking | None, change: BookingChange) -> bool:
    """Whether both parties get a mail: of what is made, moved or cancelled. A hold is nothing yet."""
    if change.action == "created":
        return change.booking.status == "confirmed"
    if change.action == "cancelled":
        return before is None or before.status != "held"
    return change.action in ("confirmed", "rescheduled")


NO_SETTLEMENT = Settlement()


def on_booking(booking: Booking, trial_limit: int) -> Settlement:
    """What it is paid with is taken."""
    if booking.paid_with == "trial":
        return Settlement(trial="consume", trial_limit=trial_limit)
    if booking.paid_with == "credit":
        return Settlement(credit=_entry(booking, consume(booking.id), "consume", -1, booking.created_at))
    return NO_SETTLEMENT


def on_cancellation(booking: Booking, *, free: bool, now: datetime) -> Settlement:
    """Freely cancelled, it comes back; else it is forfeited."""
    if booking.paid_with == "trial":
        return Settlement(trial="return") if free else NO_SETTLEMENT
    if booking.paid_with == "card":
        # What was paid for a session that does not take place is another one's; a hold was not paid.
        if free and booking.status == "confirmed":
            return Settlement(credit=_entry(booking, settle(booking.id), "return", 1, now))
        return NO_SETTLEMENT
    if booking.paid_with == "credit":
        kind: EntryKind = "return" if free else "forfeit"
        return Settlement(credit=_entry(booking, settle(booking.id), kind, int(free), now))
    return NO_SETTLEMENT


def on_completion(booking: Booking, now: datetime) -> Settlement:
    """From here on nothing can come back."""
    if booking.paid_with == "credit":
        return Settlement(credit=_entry(booking, settle(booking.id), "spend", 0, now))
    return NO_SETTLEMENT


def on_no_show(booking: Booking, now: datetime) -> Settlement:
    """Forfeited, unless its completion has settled it before."""
    if booking.paid_with == "credit" and booking.status == "confirmed":
        return Settlement(credit=_entry(booking, settle(booking.id), "forfeit", 0, now))
    return NO_SETTLEMENT


def on_moving(booking: Booking, trial_limit: int) -> Settlement:
    """A credit moves along; a trial counts in the week of the session."""
    return Settlement(trial="move", trial_limit=trial_limit) if booking.paid_with == "trial" else NO_SETTLEMENT


def _entry(booking: Booking, effect: str, kind: EntryKind, amount: int, at: datetime) -> CreditEntry:
    return CreditEntry(
        client_id=booking.client_id,
        trainer_id=booking.trainer_id,
        effect=effect,
        kind=kind,
        amount=amount,
        booking_id=booking.id,
        created_at=at,
    )


def ending(booking: Booking, now: datetime) -> tuple[BookingChange, Settlement] | None:
    """Nothing as long as it goes on. The log has it in the name of the trainer, or of who is gone."""
    if booking.status not in UPCOMING:
        return None
    if booking.erased_party is not None and now <= booking.starts_at:
        return _left(booking, now)
    if booking.status == "held":
        return expiry(booking, now) if booking.held_until is not None and now >= booking.held_until else None
    return _completed(booking, now) if now >= booking.ends_at + COMPLETION_GRACE else None


def _left(booking: Booking, now: datetime) -> tuple[BookingChange, Settlement]:
    """Cancelled, as if whose account was erased had done it."""
    by = booking.erased_party
    assert by is not None
    free = cancellation(booking, by, now).free
    change = BookingChange(
        booking=next_version(booking, now, status="cancelled", cancelled_by=by),
        action="cancelled",
        by=by,
        sender_id=booking.client_user_id if by == "client" else booking.trainer_user_id,
        was=booking.busy,
    )
    return change, on_cancellation(booking, free=free, now=now)


def expiry(booking: Booking, now: datetime) -> tuple[BookingChange, Settlement]:
    """A hold that is not paid."""
    expired = next_version(booking, now, status="expired", held_until=None)
    change = BookingChange(
        booking=expired, action="expired", by=None, sender_id=booking.trainer_user_id, was=booking.busy
    )
    return change, NO_SETTLEMENT


def _completed(booking: Booking, now: datetime) -> tuple[BookingChange, Settlement]:
    completed = next_version(booking, now, status="completed")
    change = BookingChange(booking=completed, action="completed", by=None, sender_id=booking.trainer_user_id)
    return change, on_completion(booking, now)


class BookingNote(msgspec.Struct, frozen=True, kw_only=True):
    """As the log holds it. ``previous_starts_at``: of one that was moved."""

    id: str
    action: Action
    version: int
    starts_at: datetime
    ends_at: datetime
    previous_starts_at: datetime | None = None
    status: Status


class BookingEntry(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What became of a booking, as an entry of the conversation tells it."""

    id: str
    action: Action
    version: int
    starts_at: str
    ends_at: str
    previous_starts_at: str | msgspec.UnsetType = msgspec.UNSET
    status: Status


def note_of(change: BookingChange) -> BookingNote:
    booking = change.booking
    moved = change.was if change.action == "rescheduled" else None
    return BookingNote(
        id=booking.id,
        action=change.action,
        version=booking.version,
        starts_at=booking.starts_at,
        ends_at=booking.ends_at,
        previous_starts_at=None if moved is None else moved.starts_at,
        status=booking.status,
    )


def to_entry(note: BookingNote) -> BookingEntry:
    return BookingEntry(
        id=note.id,
        action=note.action,
        version=note.version,
        starts_at=to_wire(note.starts_at),
        ends_at=to_wire(note.ends_at),
        previous_starts_at=to_wire_or_none(note.previous_starts_at) or msgspec.UNSET,
        status=note.status,
    )
