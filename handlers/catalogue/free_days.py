"""Trainers with a free slot on a day: those who work on that weekday, looked at in batches."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import msgspec

from domain.instants import whole_milliseconds
from domain.listings import Position, Wanted, working_on
from domain.schedules import weekday
from domain.slots import HORIZON_DAYS
from handlers.context import Context
from handlers.slots import free_among
from store.listings import Listed

# Schedules that are worked out for one answer: what is then still missing is for the next page.
MOST_LOOKED_AT = 300
AT_ONCE = 50


async def free_on(
    context: Context, wanted: Wanted, day: date, limit: int
) -> tuple[list[Listed], Position | None]:
    """At most ``limit`` of them, and where to go on, if there may be more."""
    now = whole_milliseconds(context.clock())
    if not _within_reach(day, now):
        return [], None
    wanted = msgspec.structs.replace(wanted, terms=((working_on(weekday(day)),), *wanted.terms))
    free: list[Listed] = []
    for _ in range(MOST_LOOKED_AT // AT_ONCE):
        found = await context.store.listings.page(wanted, AT_ONCE + 1)
        batch = found[:AT_ONCE]
        have_time = await free_among(context, [one.trainer_id for one in batch], day, now)
        for one in batch:
            if one.trainer_id in have_time:
                free.append(one)
                if len(free) == limit:
                    return free, one.position if one is not found[-1] else None
        if len(found) == len(batch):
            return free, None
        wanted = msgspec.structs.replace(wanted, after=batch[-1].position)
    return free, wanted.after


def _within_reach(day: date, now: datetime) -> bool:
    """Whether any zone offers slots on that day; it may be tomorrow somewhere, or still yesterday."""
    today = now.date()
    return today - timedelta(days=1) <= day <= today + timedelta(days=HORIZON_DAYS + 1)
