"""Changes of a trainer's slots: hints where to look, for the nodes whose connections watch them.

Hints say nothing of what was seen. Two changes at once may be hinted at in any order, from any node, however late: a
node with watchers reads the slots after a hint has arrived (``slot_status``), so what it sends last is the newest.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from domain import slots
from domain.accounts import User
from domain.availability import Schedule
from domain.booking_changes import BookingChange
from domain.bookings import OCCUPYING
from domain.slots import BookingHint, Busy, Days, ScheduleHint, Slot, SlotHint
from handlers.context import PublishContext, ReadContext
from handlers.slots.free import all_open_slots, free_of


def after_booking(context: PublishContext, change: BookingChange) -> None:
    """Of the time that the change gave up, and of what it took."""
    spans = tuple(span for span in (change.was, _occupied(change)) if span is not None)
    if spans:
        context.publisher.hint_slots(change.booking.trainer_id, BookingHint(spans))


def after_schedule(context: PublishContext, trainer_id: str, before: Schedule | None) -> None:
    """Of what another schedule than ``before`` takes away and brings."""
    context.publisher.hint_slots(trainer_id, ScheduleHint(before=before))


@asynccontextmanager
async def of_account(context: PublishContext, user: User) -> AsyncIterator[None]:
    """Around what makes a trainer bookable or not: its slots come and go with it."""
    if user.role != "trainer":
        yield
        return
    before = await context.store.availability.schedule(user.profile_id, context.now())
    yield
    context.publisher.hint_slots(user.profile_id, ScheduleHint(before=before, whole=True))


def _occupied(change: BookingChange) -> Busy | None:
    """The time that the change took; what was taken before it is known already."""
    taken = change.action in ("created", "rescheduled") and change.booking.status in OCCUPYING
    return change.booking.busy if taken else None


_DAY = timedelta(days=1)


class SlotStatus(NamedTuple):
    """By start: those that can be booked, and those that cannot or are not offered any more.

    ``zones``: the trainer's, by which a day is meant, and those that it was before.
    """

    free: list[Slot]
    gone: list[Slot]
    zones: list[str]

    def within(self, days: Days) -> tuple[list[Slot], list[Slot]]:
        """What was added to those days and what was removed.

        Where the trainer has moved to another zone, they begin and end at other instants than before.
        """
        zone, *former = self.zones
        added = list(slots.of_days(self.free, zone, *days))
        if not former:
            return added, list(slots.of_days(self.gone, zone, *days))
        free, removed = set(added), set[Slot]()
        for each in self.zones:
            removed.update(slots.of_days(self.gone, each, *days))
            removed.update(slot for slot in slots.of_days(self.free, each, *days) if slot not in free)
        return added, sorted(removed, key=_start)


async def slot_status(context: ReadContext, trainer_id: str, hints: Collection[SlotHint]) -> SlotStatus:
    """Of every slot that may have changed, whether it is free; read after the hints."""
    now = context.now()
    schedule = await context.store.availability.schedule(trainer_id, now)
    bookable = await context.store.people.reachable_profile("trainer", trainer_id) is not None
    shown = schedule if bookable else None
    touched = _taken_by(shown, [span for hint in hints if isinstance(hint, BookingHint) for span in hint.spans], now)
    offered = set(touched)
    rescheduled = [hint for hint in hints if isinstance(hint, ScheduleHint)]
    zone = schedule.time_zone if schedule else await context.store.availability.time_zone(trainer_id) or "UTC"
    zones = list(dict.fromkeys([zone, *(hint.before.time_zone for hint in rescheduled if hint.before is not None)]))
    if rescheduled:
        offered = _open(shown, now)
        for hint in rescheduled:
            touched |= _differing(hint, shown, offered, now)
            if hint.whole:
                touched |= _open(schedule, now)
    free: set[Slot] = set()
    if shown is not None:
        free.update(await free_of(context, trainer_id, shown, sorted(touched & offered, key=_start)))
    return SlotStatus(sorted(free, key=_start), sorted(touched - free, key=_start), zones)


def _taken_by(schedule: Schedule | None, spans: Collection[Busy], now: datetime) -> set[Slot]:
    """What is offered where the spans are."""
    if schedule is None or not spans:
        return set()
    nearby = slots.only_open(_around(schedule, spans), schedule.time_zone, now, schedule.notice_mins)
    return {slot for slot in nearby if slots.is_taken(slot, schedule.break_mins, spans)}


def _around(schedule: Schedule, spans: Iterable[Busy]) -> list[Slot]:
    """What is offered on the days around the spans, some of it twice where these meet."""
    zone = ZoneInfo(schedule.time_zone)
    found: list[Slot] = []
    for span in spans:
        first, last = (span.starts_at - _DAY).astimezone(zone).date(), (span.ends_at + _DAY).astimezone(zone).date()
        found += slots.offered(schedule, first, last)
    return found


def _differing(hint: ScheduleHint, shown: Schedule | None, offered: set[Slot], now: datetime) -> set[Slot]:
    """What comes or goes with the schedule. Another break makes other slots of the same ones free, and in another zone
    they are on other days."""
    before = _open(hint.before, now)
    same_slots = hint.before is None or shown is None or (
        hint.before.break_mins == shown.break_mins and hint.before.time_zone == shown.time_zone
    )
    return before ^ offered if same_slots and not hint.whole else before | offered


def _open(schedule: Schedule | None, now: datetime) -> set[Slot]:
    return set() if schedule is None else set(all_open_slots(schedule, now))


def _start(slot: Slot) -> tuple[object, object]:
    return slot.starts_at, slot.ends_at
