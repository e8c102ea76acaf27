"""The start that somebody asks for, checked against the same offer that the lists show."""

from __future__ import annotations

from datetime import datetime

from domain import slots
from domain.errors import Code, DomainError
from domain.instants import from_wire
from domain.schedules import Schedule
from domain.slots import Slot
from handlers.context import Context


async def offered_slot(
    context: Context, trainer_id: str, starts_at: str, now: datetime, *, moving: str | None = None
) -> tuple[Slot, Schedule]:
    """The slot that begins at ``starts_at``.

    Raises ``slot_unavailable`` or, if only a booking is in the way, ``slot_taken``.
    ``moving``: the booking that is to be there, which is not in its own way.
    """
    start = from_wire(starts_at, "startsAt")
    schedule = await context.store.availability.schedule(trainer_id, now)
    slot = slots.at(schedule, start) if schedule is not None else None
    if schedule is None or slot is None or not slots.is_open(slot, schedule.time_zone, now):
        raise not_offered()
    busy = await context.store.bookings.busy(trainer_id, slot.starts_at, slot.ends_at, but=moving)
    if slots.is_taken(slot, schedule.pause, busy):
        raise DomainError(Code.SLOT_TAKEN, "Somebody else has booked this time.")
    return slot, schedule


def not_offered() -> DomainError:
    return DomainError(Code.SLOT_UNAVAILABLE, "The trainer does not offer this time.")
