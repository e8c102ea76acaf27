"""What watchers of a trainer's slots are told: each slot that comes or goes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from zoneinfo import ZoneInfo

import structlog

from domain import rooms, slots
from domain.booking_changes import Change
from domain.booking_events import SlotsChanged
from domain.bookings import OCCUPYING
from domain.instants import whole_milliseconds
from domain.schedules import Schedule
from domain.slot_answers import slot_answers
from domain.slots import Busy, Slot
from handlers.context import Context
from handlers.slots import all_open_slots

log = structlog.get_logger("slots")

# One event stays well below what a socket may have waiting.
_AT_ONCE = 500
_DAY = timedelta(days=1)


async def after_booking(context: Context, change: Change) -> None:
    """The slots that the change touches, as they stand now; never raises: what was committed is committed."""
    spans = [span for span in (change.was, _occupied(change)) if span is not None]
    if not spans:
        return
    try:
        await _tell_touched(context, change.booking.trainer_id, spans)
    except Exception as error:
        log.warning("slot watchers were not told", error=type(error).__name__)


async def after_schedule(context: Context, trainer_id: str, before: Schedule | None) -> None:
    """What a new schedule takes away and brings, as it stands now; never raises."""
    try:
        await _tell_difference(context, trainer_id, before)
    except Exception as error:
        log.warning("slot watchers were not told", error=type(error).__name__)


async def _tell_difference(context: Context, trainer_id: str, before: Schedule | None) -> None:
    now = whole_milliseconds(context.clock())
    after = await context.store.availability.schedule(trainer_id, now)
    if before == after:
        return
    were, are = (all_open_slots(one, now) if one is not None else [] for one in (before, after))
    either = sorted({*were, *are}, key=_start)
    if not either:
        return
    busy = await context.store.bookings.busy(trainer_id, either[0].starts_at, either[-1].ends_at)
    gone, come = _free(before, were, busy), _free(after, are, busy)
    added, removed = sorted(come - gone, key=_start), sorted(gone - come, key=_start)
    while added or removed:
        _publish(context, trainer_id, added[:_AT_ONCE], removed[:_AT_ONCE])
        added, removed = added[_AT_ONCE:], removed[_AT_ONCE:]


def _free(schedule: Schedule | None, offered: Sequence[Slot], busy: Sequence[Busy]) -> set[Slot]:
    return set() if schedule is None else set(slots.free(offered, schedule.pause, busy))


def _occupied(change: Change) -> Busy | None:
    """The time that the change took; what was taken before it is told of already."""
    taken = change.action in ("created", "rescheduled") and change.booking.status in OCCUPYING
    return change.booking.busy if taken else None


async def _tell_touched(context: Context, trainer_id: str, spans: Sequence[Busy]) -> None:
    now = whole_milliseconds(context.clock())
    schedule = await context.store.availability.schedule(trainer_id, now)
    if schedule is None:
        return
    touched = {slot for span in spans for slot in _overlapping(schedule, span)}
    nearby = slots.only_open(sorted(touched, key=_start), schedule.time_zone, now)
    if not nearby:
        return
    busy = await context.store.bookings.busy(trainer_id, nearby[0].starts_at, nearby[-1].ends_at)
    free = set(slots.free(nearby, schedule.pause, busy))
    _publish(
        context, trainer_id, [slot for slot in nearby if slot in free], [slot for slot in nearby if slot not in free]
    )


def _overlapping(schedule: Schedule, span: Busy) -> list[Slot]:
    zone = ZoneInfo(schedule.time_zone)
    first, last = (span.starts_at - _DAY).astimezone(zone).date(), (span.ends_at + _DAY).astimezone(zone).date()
    return [slot for slot in slots.offered(schedule, first, last) if slots.is_taken(slot, schedule.pause, [span])]


def _publish(context: Context, trainer_id: str, added: Sequence[Slot], removed: Sequence[Slot]) -> None:
    event = SlotsChanged(trainer_id=trainer_id, added=slot_answers(added), removed=slot_answers(removed))
    context.publisher.publish(event, rooms.slots(trainer_id))


def _start(slot: Slot) -> tuple[object, object]:
    return slot.starts_at, slot.ends_at
