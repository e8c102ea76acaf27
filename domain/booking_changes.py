"""A booking's change as one commit: its next version, what it does to credits and trials, and what is told of it."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from domain.bookings import Action, Booking, Party
from domain.credits import Balance, CreditEntry, EntryKind, consume, settle
from domain.slots import Busy

TrialEffect = Literal["consume", "return", "move"]


class Settlement(msgspec.Struct, frozen=True, kw_only=True):
    """``trial_limit``: the trainer's trials a week, where one is consumed or moved."""

    credit: CreditEntry | None = None
    trial: TrialEffect | None = None
    trial_limit: int = 0


class Change(msgspec.Struct, frozen=True, kw_only=True):
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


NOTHING = Settlement()


def on_booking(booking: Booking, trial_limit: int) -> Settlement:
    """What it is paid with is taken."""
    if booking.paid_with == "trial":
        return Settlement(trial="consume", trial_limit=trial_limit)
    if booking.paid_with == "credit":
        return Settlement(credit=_entry(booking, consume(booking.id), "consume", -1, booking.created_at))
    return NOTHING


def on_cancellation(booking: Booking, *, free: bool, now: datetime) -> Settlement:
    """Freely cancelled, it comes back; else it is forfeited."""
    if booking.paid_with == "trial":
        return Settlement(trial="return") if free else NOTHING
    if booking.paid_with == "credit":
        kind: EntryKind = "return" if free else "forfeit"
        return Settlement(credit=_entry(booking, settle(booking.id), kind, int(free), now))
    return NOTHING


def on_completion(booking: Booking, now: datetime) -> Settlement:
    """From here on nothing can come back."""
    if booking.paid_with == "credit":
        return Settlement(credit=_entry(booking, settle(booking.id), "spend", 0, now))
    return NOTHING


def on_no_show(booking: Booking, now: datetime) -> Settlement:
    """Forfeited, unless its completion has settled it before."""
    if booking.paid_with == "credit" and booking.status == "confirmed":
        return Settlement(credit=_entry(booking, settle(booking.id), "forfeit", 0, now))
    return NOTHING


def on_moving(booking: Booking, trial_limit: int) -> Settlement:
    """A credit moves along; a trial counts in the week of the session."""
    return Settlement(trial="move", trial_limit=trial_limit) if booking.paid_with == "trial" else NOTHING


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
