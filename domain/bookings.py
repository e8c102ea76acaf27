"""Bookings: the record, who takes part, what each state allows, and what cancelling or moving costs.

The cost is decided by the booking's own snapshot of the policy and the server's clock.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

import msgspec

from domain.accounts import ADMINISTRATORS, Role
from domain.catalogue import NOTICE, CancellationPolicy
from domain.errors import Code, DomainError
from domain.slots import Busy

Status = Literal["held", "confirmed", "cancelled", "completed", "no_show", "expired"]
PaidWith = Literal["credit", "trial", "card"]
Party = Literal["client", "trainer", "admin"]
Action = Literal["created", "confirmed", "rescheduled", "cancelled", "completed", "expired", "no_show"]

# Those whose time is nobody else's.
OCCUPYING: frozenset[Status] = frozenset({"held", "confirmed", "completed", "no_show"})
# Those that came to nothing.
VOID: frozenset[Status] = frozenset({"cancelled", "expired"})
# Those that may have a review: reports of no-shows of earlier versions left theirs.
REVIEWABLE: frozenset[Status] = frozenset({"completed", "no_show"})
# Those that are still to take place.
UPCOMING: frozenset[Status] = frozenset({"held", "confirmed"})

CLAIM = timedelta(minutes=5)
# A session is completed so long after its end: until then a trainer who ran late may still move or report it.
COMPLETION_GRACE = timedelta(minutes=15)
NO_SHOW_WINDOW = timedelta(hours=24)
_EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")


class Booking(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the Booking table. Instants in UTC; ``break_mins`` is the break after it that it was made with.

    ``held_until``: of a hold only. ``reminded``: the notices that were given (``domain.reminders``).
    ``erased_party``: the party whose account was erased since.
    """

    id: str
    trainer_id: str
    client_id: str
    trainer_user_id: str
    client_user_id: str
    conversation_id: str
    starts_at: datetime
    ends_at: datetime
    time_zone: str
    # Stored rows of the outbox and of idempotency keys know these two by their first names.
    break_mins: int = msgspec.field(name="pause")
    cancellation_policy: CancellationPolicy
    status: Status
    paid_with: PaidWith
    version: int = 1
    note: str | None = None
    cancelled_by: Party | None = None
    reason: str | None = None
    held_until: datetime | None = None
    erased_party: Party | None = msgspec.field(default=None, name="left_by")
    reminded: tuple[str, ...] = ()
    # When its present time was agreed on: reminders due before that are not given.
    arranged_at: datetime
    created_at: datetime
    updated_at: datetime

    @property
    def busy(self) -> Busy:
        return Busy(self.starts_at, self.ends_at, self.break_mins)

    @property
    def user_ids(self) -> tuple[str, str]:
        return self.client_user_id, self.trainer_user_id


class WallTimes(msgspec.Struct, frozen=True, kw_only=True):
    """``YYYY-MM-DD`` and ``HH:MM`` in the booking's zone."""

    date: str
    start_time: str
    end_time: str


def wall_times(booking: Booking) -> WallTimes:
    zone = ZoneInfo(booking.time_zone)
    start, end = booking.starts_at.astimezone(zone), booking.ends_at.astimezone(zone)
    return WallTimes(
        date=start.date().isoformat(), start_time=start.strftime("%H:%M"), end_time=end.strftime("%H:%M")
    )


def utc_offsets(booking: Booking) -> tuple[str, str]:
    """``-04:00``, at the start and at the end. They tell wall times apart that the clocks show twice."""
    zone = ZoneInfo(booking.time_zone)
    start, end = (at.astimezone(zone).strftime("%z") for at in (booking.starts_at, booking.ends_at))
    return f"{start[:3]}:{start[3:5]}", f"{end[:3]}:{end[3:5]}"


def duration_in_minutes(booking: Booking) -> int:
    return int((booking.ends_at - booking.starts_at) / timedelta(minutes=1))


def claims(starts_at: datetime, ends_at: datetime) -> list[int]:
    """The numbers of the 5-minute buckets that [start, end) touches, counted from 1970."""
    first = (starts_at - _EPOCH) // CLAIM
    last = -((_EPOCH - ends_at) // CLAIM)
    return list(range(first, last))


def trainer_claims(booking: Booking) -> list[int]:
    """The session and the break after it."""
    return claims(booking.starts_at, booking.ends_at + timedelta(minutes=booking.break_mins))


def client_claims(booking: Booking) -> list[int]:
    return claims(booking.starts_at, booking.ends_at)


def party(booking: Booking, user_id: str, role: Role) -> Party | None:
    """As what a user may deal with the booking, if at all."""
    if user_id == booking.client_user_id:
        return "client"
    if user_id == booking.trainer_user_id:
        return "trainer"
    return "admin" if role in ADMINISTRATORS else None


def next_version(booking: Booking, now: datetime, **changed: object) -> Booking:
    return msgspec.structs.replace(
        booking, version=booking.version + 1, updated_at=max(now, booking.updated_at), **changed
    )


def require_changeable(booking: Booking, now: datetime) -> None:
    """It is still to take place; raises ``conflict``."""
    if booking.status not in UPCOMING:
        raise DomainError(Code.CONFLICT, f"The booking is {booking.status.replace('_', ' ')}.")
    if now > booking.starts_at:
        raise DomainError(Code.CONFLICT, "The session has begun.")


def require_no_show(booking: Booking, by: Party, now: datetime) -> None:
    """The trainer says so, from the start to 24 h after the end; raises ``forbidden`` or ``conflict``."""
    if by != "trainer":
        raise DomainError(Code.FORBIDDEN, "Only the trainer may report a no-show.")
    if booking.status not in ("confirmed", "completed"):
        raise DomainError(Code.CONFLICT, f"The booking is {booking.status.replace('_', ' ')}.")
    if now < booking.starts_at:
        raise DomainError(Code.CONFLICT, "The session has not begun.")
    if now > booking.ends_at + NO_SHOW_WINDOW:
        raise DomainError(Code.CONFLICT, "A no-show can be reported until 24 hours after the end.")


class Cancellation(msgspec.Struct, frozen=True, kw_only=True):
    """``free``: what was paid with comes back. ``deadline``: until when (inclusive) it is free."""

    free: bool
    deadline: datetime


def returns_credit(booking: Booking) -> bool:
    """Whether a free cancellation makes a credit of what was paid with."""
    return booking.paid_with == "credit" or (booking.paid_with == "card" and booking.status == "confirmed")


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
