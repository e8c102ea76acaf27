"""What cancelling or moving a booking costs, by its own snapshot of the policy and the server's clock."""

from __future__ import annotations

from datetime import datetime

import msgspec

from domain.bookings import Booking, Party, require_changeable
from domain.errors import Code, DomainError
from domain.pricing import NOTICE


class Cancellation(msgspec.Struct, frozen=True, kw_only=True):
    """``free``: what was paid with comes back. ``deadline``: until when (inclusive) it is free."""

    free: bool
    deadline: datetime


def cancellation(booking: Booking, by: Party, now: datetime) -> Cancellation:
    """What it would cost now; raises ``conflict`` when it can no longer be cancelled.

    The policy binds the client only.
    """
    require_changeable(booking, now)
    deadline = booking.starts_at
    if by == "client":
        deadline -= NOTICE[booking.cancellation_policy]
    return Cancellation(free=now <= deadline, deadline=deadline)


def require_movable(booking: Booking, by: Party, now: datetime) -> None:
    """Raises ``conflict`` or, for a client whose time to do it freely is over, ``policy_window_passed``."""
    if not cancellation(booking, by, now).free:
        raise DomainError(Code.POLICY_WINDOW_PASSED, "It is too late to move this booking.")
    if booking.status != "confirmed":
        raise DomainError(Code.CONFLICT, "Only a confirmed booking can be moved.")
