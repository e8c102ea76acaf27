"""What of a trainer's time can be booked: listed, and watched live."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from domain import slots
from domain.availability import Schedule
from domain.errors import invalid, not_found
from domain.slots import HORIZON_DAYS, Slot
from domain.wire.availability import ListSlots, SlotList, slot_answers
from domain.wire.bookings import UnwatchSlots, WatchSlots
from domain.wire.fields import date_from_wire
from handlers.access import Actor, Visitor
from handlers.context import ReadContext, SlotContext


async def list_slots(context: ReadContext, caller: Actor | Visitor, command: ListSlots) -> SlotList:
    """The free slots of some days; raises ``not_found`` for a trainer who cannot be booked."""
    first, last = date_from_wire(command.since, "from"), date_from_wire(command.until, "to")
    if await context.store.people.reachable_profile("trainer", command.trainer_id) is None:
        raise not_found("trainer")
    now = context.now()
    schedule = await context.store.availability.schedule(command.trainer_id, now)
    zone = schedule.time_zone if schedule else await context.store.availability.time_zone(command.trainer_id) or "UTC"
    _check_span(first, last, now.astimezone(ZoneInfo(zone)).date())
    found = await free_slots(context, command.trainer_id, schedule, first, last, now) if schedule else []
    return SlotList(time_zone=zone, slots=slot_answers(found))


async def free_slots(
    context: ReadContext, trainer_id: str, schedule: Schedule, first: date, last: date, now: datetime
) -> list[Slot]:
    """What lies ahead of ``now`` on those dates and is not booked."""
    return await free_of(context, trainer_id, schedule, _open_slots(schedule, first, last, now))


async def free_of(context: ReadContext, trainer_id: str, schedule: Schedule, offered: Sequence[Slot]) -> list[Slot]:
    """Those that are not booked; by start."""
    if not offered:
        return []
    busy = await context.store.bookings.busy(trainer_id, offered[0].starts_at, offered[-1].ends_at)
    return slots.free(offered, schedule.break_mins, busy)


async def free_among(context: ReadContext, trainer_ids: Collection[str], day: date, now: datetime) -> set[str]:
    """Those of the trainers who have a free slot on that date of theirs."""
    schedules = await context.store.availability.schedules(trainer_ids, now)
    offered = {i: found for i, schedule in schedules.items() if (found := _open_slots(schedule, day, day, now))}
    if not offered:
        return set()
    start = min(found[0].starts_at for found in offered.values())
    end = max(found[-1].ends_at for found in offered.values())
    busy = await context.store.bookings.busy_among(offered.keys(), start, end)
    return {i for i, found in offered.items() if slots.free(found, schedules[i].break_mins, busy.get(i, ()))}


def _open_slots(schedule: Schedule, first: date, last: date, now: datetime) -> list[Slot]:
    return slots.only_open(slots.offered(schedule, first, last), schedule.time_zone, now, schedule.notice_mins)


def all_open_slots(schedule: Schedule, now: datetime) -> list[Slot]:
    """Up to the horizon, bookings aside."""
    today = now.astimezone(ZoneInfo(schedule.time_zone)).date()
    return _open_slots(schedule, today, today + timedelta(days=HORIZON_DAYS), now)


def _check_span(first: date, last: date, today: date) -> None:
    if last < first:
        raise invalid("to", "has to be the same day as from, or later")
    if (last - first).days >= HORIZON_DAYS:
        raise invalid("to", f"has to lie within {HORIZON_DAYS} days of from, which counts")
    if (last - today).days > HORIZON_DAYS:
        raise invalid("to", f"has to lie at most {HORIZON_DAYS} days ahead")


async def watch(context: SlotContext, actor: Actor, command: WatchSlots) -> SlotList:
    """Send this connection each slot of these days that comes or goes from now on; answers those that are free."""
    days = date_from_wire(command.since, "from"), date_from_wire(command.until, "to")
    # In turn: another of this socket's watches must not come between.
    async with actor.submit_lock:
        # The position first, the state after: nothing falls in between.
        before = await context.slot_watches.watch(actor.connection, command.trainer_id, days)
        try:
            span = ListSlots(trainer_id=command.trainer_id, since=command.since, until=command.until)
            answer = await list_slots(context, actor, span)
        except BaseException:
            # Who asks for days that are refused goes on watching those that were shown before.
            if before is None:
                context.slot_watches.unwatch(actor.connection, command.trainer_id)
            else:
                context.slot_watches.only(actor.connection, command.trainer_id, before)
            raise
        context.slot_watches.only(actor.connection, command.trainer_id, days)
        return answer


async def unwatch(context: SlotContext, actor: Actor, command: UnwatchSlots) -> None:
    async with actor.submit_lock:
        context.slot_watches.unwatch(actor.connection, command.trainer_id)
