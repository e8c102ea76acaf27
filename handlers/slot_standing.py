"""How the slots stand that hints point at, for those who watch them."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from domain import slots
from domain.instants import whole_milliseconds
from domain.schedules import Schedule
from domain.slot_hints import BookingHint, ScheduleHint, SlotHint
from domain.slots import Busy, Slot
from handlers.context import Context
from handlers.slots import all_open_slots, free_of

_DAY = timedelta(days=1)


class Standing(NamedTuple):
    """By start: those that can be booked, and those that cannot or are not offered any more."""

    free: list[Slot]
    gone: list[Slot]


async def standing(context: Context, trainer_id: str, hints: Collection[SlotHint]) -> Standing:
    """Of every slot that may have changed, whether it is free; read after the hints."""
    now = whole_milliseconds(context.clock())
    schedule = await context.store.availability.schedule(trainer_id, now)
    bookable = await context.store.people.reachable_profile("trainer", trainer_id) is not None
    shown = schedule if bookable else None
    touched = _taken_by(shown, [span for hint in hints if isinstance(hint, BookingHint) for span in hint.spans], now)
    offered = set(touched)
    rescheduled = [hint for hint in hints if isinstance(hint, ScheduleHint)]
    if rescheduled:
        offered = _open(shown, now)
        for hint in rescheduled:
            touched |= _differing(hint, shown, offered, now)
            if hint.whole:
                touched |= _open(schedule, now)
    free: set[Slot] = set()
    if shown is not None:
        free.update(await free_of(context, trainer_id, shown, sorted(touched & offered, key=_start)))
    return Standing(sorted(free, key=_start), sorted(touched - free, key=_start))


def _taken_by(schedule: Schedule | None, spans: Collection[Busy], now: datetime) -> set[Slot]:
    """What is offered where the spans are."""
    if schedule is None or not spans:
        return set()
    nearby = slots.only_open(_around(schedule, spans), schedule.time_zone, now)
    return {slot for slot in nearby if slots.is_taken(slot, schedule.pause, spans)}


def _around(schedule: Schedule, spans: Iterable[Busy]) -> list[Slot]:
    """What is offered on the days around the spans, some of it twice where these meet."""
    zone = ZoneInfo(schedule.time_zone)
    found: list[Slot] = []
    for span in spans:
        first, last = (span.starts_at - _DAY).astimezone(zone).date(), (span.ends_at + _DAY).astimezone(zone).date()
        found += slots.offered(schedule, first, last)
    return found


def _differing(hint: ScheduleHint, shown: Schedule | None, offered: set[Slot], now: datetime) -> set[Slot]:
    """What comes or goes with the schedule. Another pause makes other slots of the same ones free."""
    before = _open(hint.before, now)
    same_pause = hint.before is None or shown is None or hint.before.pause == shown.pause
    return before ^ offered if same_pause and not hint.whole else before | offered


def _open(schedule: Schedule | None, now: datetime) -> set[Slot]:
    return set() if schedule is None else set(all_open_slots(schedule, now))


def _start(slot: Slot) -> tuple[object, object]:
    return slot.starts_at, slot.ends_at
