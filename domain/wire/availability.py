"""Commands and answers about a trainer's schedule and the slots it leaves free."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import msgspec
from msgspec import Meta

from domain.availability import DAYS, MAX_WINDOWS_A_DAY, AbsenceRecord, Day, Week
from domain.slots import Slot
from domain.times import to_wire, to_wire_each
from domain.wire.base import Answer, Command
from domain.wire.fields import Cursor, Date, EndTime, Id, PageSize, ReasonText, TimeZone, WallTime

Duration = Annotated[int, Meta(ge=5, le=480, multiple_of=5, description="minutes")]
# As far ahead as two weeks.
Notice = Annotated[int, Meta(ge=0, le=14 * 24 * 60, description="minutes")]
Pause = Annotated[int, Meta(ge=0, le=240, multiple_of=5, description="minutes")]


class WindowField(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """An end at or before the start is on the next day."""

    day: Day
    start_time: WallTime
    end_time: EndTime
    is_available: bool = True


class SetAvailability(Command, frozen=True, kw_only=True):
    """Replaces the whole week; several windows a day are allowed.

    ``minimumNoticeInMins``: a session that begins sooner than that is not offered.
    """

    time_zone: TimeZone
    session_duration_in_mins: Duration
    break_between_session_mins: Pause
    minimum_notice_in_mins: Notice = 0
    days: Annotated[tuple[WindowField, ...], Meta(max_length=len(DAYS) * MAX_WINDOWS_A_DAY)]


class AddException(Command, frozen=True, kw_only=True):
    """Without times the whole date is off."""

    date: Date
    start_time: WallTime | None = None
    end_time: EndTime | None = None
    reason: ReasonText | None = None


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


class WindowAnswer(Answer, frozen=True, kw_only=True):
    day: Day
    start_time: str
    end_time: str
    is_available: bool


class AvailabilityAnswer(Answer, frozen=True, kw_only=True):
    """Of a trainer who has not said anything, the lengths are null."""

    time_zone: str
    session_duration_in_mins: int | None
    break_between_session_mins: int | None
    minimum_notice_in_mins: int
    days: list[WindowAnswer]


class ExceptionAnswer(Answer, frozen=True, kw_only=True):
    """Without times the whole date is off."""

    id: str
    date: str
    start_time: str | None
    end_time: str | None
    reason: str | None
    created_at: str
    updated_at: str


class ExceptionPage(Answer, frozen=True, kw_only=True):
    items: list[ExceptionAnswer]
    next_cursor: str | None


def availability_answer(week: Week) -> AvailabilityAnswer:
    return AvailabilityAnswer(
        time_zone=week.time_zone,
        session_duration_in_mins=week.duration,
        break_between_session_mins=week.break_mins,
        minimum_notice_in_mins=week.notice_mins,
        days=[
            WindowAnswer(
                day=day.day, start_time=day.start_time, end_time=day.end_time, is_available=day.is_available
            )
            for day in week.days
        ],
    )


def exception_answer(record: AbsenceRecord) -> ExceptionAnswer:
    return ExceptionAnswer(
        id=record.id,
        date=record.absence.date.isoformat(),
        start_time=record.start_time,
        end_time=record.end_time,
        reason=record.reason,
        created_at=to_wire(record.created_at),
        updated_at=to_wire(record.updated_at),
    )


# Thousands at once, of texts only: nothing for the garbage collector to look at.
class SlotAnswer(Answer, frozen=True, kw_only=True, gc=False):
    starts_at: str
    ends_at: str


class SlotList(Answer, frozen=True, kw_only=True):
    """What is free; ``time_zone`` is the trainer's."""

    time_zone: str
    slots: list[SlotAnswer]


def slot_answers(slots: Sequence[Slot]) -> list[SlotAnswer]:
    starts = to_wire_each(slot.starts_at for slot in slots)
    ends = to_wire_each(slot.ends_at for slot in slots)
    return [SlotAnswer(starts_at=start, ends_at=end) for start, end in zip(starts, ends, strict=True)]
