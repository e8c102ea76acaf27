"""Changes of a trainer's slots: a hint where to look, for the nodes whose connections watch them.

Hints say nothing of what was seen. Two changes at once may be hinted at in any order, from any node, however late:
who has watchers looks after a hint has arrived (``handlers.slot_standing``), and so tells them the newest state last.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from domain.accounts import User
from domain.booking_changes import Change
from domain.bookings import OCCUPYING
from domain.instants import whole_milliseconds
from domain.schedules import Schedule
from domain.slot_hints import BookingHint, ScheduleHint
from domain.slots import Busy
from handlers.context import Context


def after_booking(context: Context, change: Change) -> None:
    """Of the time that the change gave up, and of what it took."""
    spans = tuple(span for span in (change.was, _occupied(change)) if span is not None)
    if spans:
        context.publisher.hint_slots(change.booking.trainer_id, BookingHint(spans))


def after_schedule(context: Context, trainer_id: str, before: Schedule | None) -> None:
    """Of what another schedule than ``before`` takes away and brings."""
    context.publisher.hint_slots(trainer_id, ScheduleHint(before=before))


@asynccontextmanager
async def of_account(context: Context, user: User) -> AsyncIterator[None]:
    """Around what makes a trainer bookable or not: its slots come and go with it."""
    if user.role != "trainer":
        yield
        return
    before = await context.store.availability.schedule(user.profile_id, whole_milliseconds(context.clock()))
    yield
    context.publisher.hint_slots(user.profile_id, ScheduleHint(before=before, whole=True))


def _occupied(change: Change) -> Busy | None:
    """The time that the change took; what was taken before it is known already."""
    taken = change.action in ("created", "rescheduled") and change.booking.status in OCCUPYING
    return change.booking.busy if taken else None
