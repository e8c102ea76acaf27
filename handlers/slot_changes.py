"""What watchers of a trainer's slots are told: each slot that comes or goes.

Changes that meet are told by different nodes, and the older state may be told last. So whoever has told something
looks again, until it is still so: what comes after that look is told by whoever changes it. Where nobody watches
nothing is looked at: who begins to later reads what was committed before.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import structlog

from domain import rooms, slots
from domain.accounts import User
from domain.booking_changes import Change
from domain.booking_events import SlotsChanged
from domain.bookings import OCCUPYING
from domain.instants import whole_milliseconds
from domain.schedules import Schedule
from domain.slot_answers import slot_answers
from domain.slots import Busy, Slot
from handlers.context import Context
from handlers.slots import all_open_slots, free_of

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
        if await _watched(context, change.booking.trainer_id):
            await _tell_touched(context, change.booking.trainer_id, spans)
    except Exception as error:
        log.warning("slot watchers were not told", error=type(error).__name__)


async def _watched(context: Context, trainer_id: str) -> bool:
    return await context.publisher.anyone_in(rooms.slots(trainer_id))


async def shown(context: Context, trainer_id: str) -> Schedule | None:
    """The schedule that watchers see: none of a trainer who cannot be booked."""
    if await context.store.people.reachable_profile("trainer", trainer_id) is None:
        return None
    return await _schedule(context, trainer_id)


async def _schedule(context: Context, trainer_id: str) -> Schedule | None:
    return await context.store.availability.schedule(trainer_id, whole_milliseconds(context.clock()))


@asynccontextmanager
async def of_account(context: Context, user: User) -> AsyncIterator[None]:
    """Around what makes a trainer bookable or not: its slots come and go with it."""
    if user.role != "trainer":
        yield
        return
    earlier = await _schedule(context, user.profile_id)
    yield
    try:
        await _tell_account(context, user.profile_id, earlier)
    except Exception as error:
        log.warning("slot watchers were not told", error=type(error).__name__)


async def _tell_account(context: Context, trainer_id: str, earlier: Schedule | None) -> None:
    """All slots, as they now come or go: of changes that cross nobody knows what watchers were told last.

    ``earlier``: the schedule before the change, for a trainer with whom it has gone.
    """
    if not await _watched(context, trainer_id):
        return
    latest = await _schedule(context, trainer_id) or earlier
    bookable = await shown(context, trainer_id) is not None
    await _tell_difference(context, trainer_id, None if bookable else latest)


async def after_schedule(context: Context, trainer_id: str, before: Schedule | None) -> None:
    """What another schedule than ``before`` takes away and brings; never raises."""
    try:
        if await _watched(context, trainer_id):
            await _tell_difference(context, trainer_id, before)
    except Exception as error:
        log.warning("slot watchers were not told", error=type(error).__name__)


async def _tell_difference(context: Context, trainer_id: str, before: Schedule | None) -> None:
    now = whole_milliseconds(context.clock())
    offered, free = await _all(context, trainer_id, before, now)
    while True:
        schedule = await shown(context, trainer_id)
        now_offered, now_free = await _all(context, trainer_id, schedule, now)
        come = now_free - free
        # A booking that took a slot just before may not have been told of, and does not know the slot any more.
        gone = (free - now_free) | (offered - now_offered)
        if not come and not gone:
            return
        _publish_all(context, trainer_id, come, gone)
        offered, free = now_offered, now_free


async def _all(
    context: Context, trainer_id: str, schedule: Schedule | None, now: datetime
) -> tuple[set[Slot], set[Slot]]:
    """What a schedule offers up to the horizon, and what of that is free."""
    if schedule is None:
        return set(), set()
    offered = all_open_slots(schedule, now)
    return set(offered), set(await free_of(context, trainer_id, schedule, offered))


def _publish_all(context: Context, trainer_id: str, come: Iterable[Slot], gone: Iterable[Slot]) -> None:
    added, removed = sorted(come, key=_start), sorted(gone, key=_start)
    while added or removed:
        _publish(context, trainer_id, added[:_AT_ONCE], removed[:_AT_ONCE])
        added, removed = added[_AT_ONCE:], removed[_AT_ONCE:]


def _occupied(change: Change) -> Busy | None:
    """The time that the change took; what was taken before it is told of already."""
    taken = change.action in ("created", "rescheduled") and change.booking.status in OCCUPYING
    return change.booking.busy if taken else None


async def _tell_touched(context: Context, trainer_id: str, spans: Sequence[Busy]) -> None:
    # Grows while the schedule changes: what was told of a slot that is gone has to be taken back.
    touched: set[Slot] = set()
    told: tuple[set[Slot], set[Slot]] | None = None
    while True:
        now = whole_milliseconds(context.clock())
        schedule = await shown(context, trainer_id)
        free: set[Slot] = set()
        if schedule is not None:
            nearby = _nearby(schedule, spans, now)
            touched.update(slot for slot in nearby if slots.is_taken(slot, schedule.pause, spans))
            offered = sorted(touched.intersection(nearby), key=_start)
            free.update(await free_of(context, trainer_id, schedule, offered))
        seen = touched & free, touched - free
        if seen == told:
            return
        _publish_all(context, trainer_id, *seen)
        told = seen


def _nearby(schedule: Schedule, spans: Sequence[Busy], now: datetime) -> list[Slot]:
    """What is offered on the days around the spans, some of it twice where these meet."""
    zone = ZoneInfo(schedule.time_zone)
    found: list[Slot] = []
    for span in spans:
        first, last = (span.starts_at - _DAY).astimezone(zone).date(), (span.ends_at + _DAY).astimezone(zone).date()
        found += slots.offered(schedule, first, last)
    return slots.only_open(found, schedule.time_zone, now)


def _publish(context: Context, trainer_id: str, added: Sequence[Slot], removed: Sequence[Slot]) -> None:
    event = SlotsChanged(trainer_id=trainer_id, added=slot_answers(added), removed=slot_answers(removed))
    context.publisher.publish(event, rooms.slots(trainer_id))


def _start(slot: Slot) -> tuple[object, object]:
    return slot.starts_at, slot.ends_at
