"""Credits whose money has gone while they were in use: refunded at Stripe, or with a bank that disputes the payment.

What is unused goes at once. What is in a session goes when it comes back from it, in the same commit; a session that
takes place has used it, and it is owed no more.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from domain.bookings import Booking
from domain.credits import CreditEntry, dispute, refund

Cause = Literal["refund", "dispute"]


class OwedCredits(msgspec.Struct, frozen=True, kw_only=True):
    """``name``: of the refund or the dispute at Stripe; ``cause_id``: of its row here. Only sessions that were booked
    by ``at`` can hold them, later ones are of other money; ``booking_id``: only that one, which was paid by card."""

    name: str
    cause: Cause
    cause_id: str
    transaction_id: str
    client_id: str
    trainer_id: str
    booking_id: str | None
    credits: int
    at: datetime


def taken_entry(owed: OwedCredits, booking: Booking, now: datetime) -> CreditEntry:
    """One that comes back from a session is taken; once a session and cause."""
    effect = {"refund": refund, "dispute": dispute}[owed.cause](f"{owed.name}:returned:{booking.id}")
    return CreditEntry(
        client_id=owed.client_id,
        trainer_id=owed.trainer_id,
        effect=effect,
        kind=owed.cause,
        amount=-1,
        booking_id=booking.id,
        created_at=now,
    )
