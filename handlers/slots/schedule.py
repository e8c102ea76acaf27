"""A trainer says when it works."""

from __future__ import annotations

from datetime import timedelta
from zoneinfo import ZoneInfo

import msgspec

from domain.accounts import require_time_zone
from domain.availability import Absence, AbsenceRecord, Week, WeekDay, check_absence, check_week, minutes_of
from domain.wire import fields
from domain.wire.availability import (
    AddException,
    AvailabilityAnswer,
    ExceptionAnswer,
    ExceptionPage,
    ListExceptions,
    RemoveException,
    SetAvailability,
    availability_answer,
    exception_answer,
)
from domain.wire.pages import decode_cursor, page_of
from handlers.access import Actor, require_role
from handlers.context import PublishContext
from handlers.idempotency import KeepResult, idempotent, idempotent_commit
from handlers.slots import changes

# How far ahead a day off can be planned.
_FARTHEST = timedelta(days=731)


class _PageCursor(msgspec.Struct, frozen=True):
    """Where a page of exceptions ended."""

    date: fields.Date
    id: fields.Id


async def get_availability(context: PublishContext, actor: Actor, command: None) -> AvailabilityAnswer:
    require_role(actor, "trainer")
    week = await context.store.availability.week(actor.profile_id)
    if week is not None:
        return availability_answer(week)
    zone = await context.store.availability.time_zone(actor.profile_id) or "UTC"
    return AvailabilityAnswer(
        time_zone=zone,
        session_duration_in_mins=None,
        break_between_session_mins=None,
        minimum_notice_in_mins=0,
        days=[],
    )


@idempotent("availability:set")
async def set_availability(context: PublishContext, actor: Actor, command: SetAvailability) -> AvailabilityAnswer:
    """Replace the whole week; bookings stay as they are."""
    require_role(actor, "trainer")
    week = Week(
        time_zone=require_time_zone(command.time_zone),
        duration=command.session_duration_in_mins,
        break_mins=command.break_between_session_mins,
        notice_mins=command.minimum_notice_in_mins,
        days=tuple(
            WeekDay(day=d.day, start_time=d.start_time, end_time=d.end_time, is_available=d.is_available)
            for d in command.days
        ),
    )
    check_week(week)
    now = context.now()
    before = await context.store.availability.replace_week(actor.profile_id, week, now)
    changes.after_schedule(context, actor.profile_id, before)
    return availability_answer(week)


async def list_exceptions(context: PublishContext, actor: Actor, command: ListExceptions) -> ExceptionPage:
    """By date, those that are over included."""
    require_role(actor, "trainer")
    after = decode_cursor(_PageCursor, command.cursor) if command.cursor else None
    place = (after.date, after.id) if after else None
    found = await context.store.availability.exceptions(actor.profile_id, place, command.limit + 1)
    page, cursor = page_of(found, command.limit, lambda one: _PageCursor(one.absence.date.isoformat(), one.id))
    return ExceptionPage(items=[exception_answer(one) for one in page], next_cursor=cursor)


@idempotent_commit("exception:add")
async def add_exception(
    context: PublishContext, actor: Actor, command: AddException, keep: KeepResult
) -> ExceptionAnswer:
    """A day or some hours off; bookings stay as they are."""
    require_role(actor, "trainer")
    now = context.now()
    zone = await context.store.availability.time_zone(actor.profile_id) or "UTC"
    today = now.astimezone(ZoneInfo(zone)).date()
    absence = Absence(
        date=fields.date_from_wire(command.date, "date"),
        start=None if command.start_time is None else minutes_of(command.start_time),
        end=None if command.end_time is None else minutes_of(command.end_time),
    )
    check_absence(absence, today, today + _FARTHEST)
    record = AbsenceRecord(
        id=context.store.availability.new_id(), absence=absence, reason=command.reason, created_at=now, updated_at=now
    )
    answer = exception_answer(record)
    before = await context.store.availability.add_exception(actor.profile_id, record, today, now, keep(answer))
    changes.after_schedule(context, actor.profile_id, before)
    return answer


@idempotent_commit("exception:remove")
async def remove_exception(context: PublishContext, actor: Actor, command: RemoveException, keep: KeepResult) -> None:
    require_role(actor, "trainer")
    now = context.now()
    before = await context.store.availability.remove_exception(actor.profile_id, command.id, now, keep(None))
    changes.after_schedule(context, actor.profile_id, before)
