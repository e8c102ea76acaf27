"""Commands about when a trainer works, and what of it is free."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from domain.availability import MAX_WINDOWS_A_DAY
from domain.commands import Command
from domain.fields import Cursor, Date, EndTime, Id, PageSize, TimeZone, WallTime
from domain.schedules import DAYS, Day
from domain.text_fields import Reason

Duration = Annotated[int, Meta(ge=5, le=480, multiple_of=5, description="minutes")]
Pause = Annotated[int, Meta(ge=0, le=240, multiple_of=5, description="minutes")]


class WindowField(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """An end at or before the start is on the next day."""

    day: Day
    start_time: WallTime
    end_time: EndTime
    is_available: bool = True


class SetAvailability(Command, frozen=True, kw_only=True):
    """Replaces the whole week; several windows a day are allowed."""

    time_zone: TimeZone
    session_duration_in_mins: Duration
    break_between_session_mins: Pause
    days: Annotated[tuple[WindowField, ...], Meta(max_length=len(DAYS) * MAX_WINDOWS_A_DAY)]


class AddException(Command, frozen=True, kw_only=True):
    """Without times the whole date is off."""

    date: Date
    start_time: WallTime | None = None
    end_time: EndTime | None = None
    reason: Reason | None = None


class ListExceptions(Command, frozen=True, kw_only=True):
    cursor: Cursor | None = None
    limit: PageSize = 20


class RemoveException(Command, frozen=True, kw_only=True):
    id: Id


class ListSlots(Command, frozen=True, kw_only=True):
    """Dates in the trainer's zone, inclusive."""

    trainer_id: Id
    since: Date = msgspec.field(name="from")
    until: Date = msgspec.field(name="to")
