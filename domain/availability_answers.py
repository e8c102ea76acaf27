"""When a trainer works, on the wire."""

from __future__ import annotations

from domain.answers import Answer
from domain.availability import AbsenceRecord, Week
from domain.instants import to_wire
from domain.schedules import Day


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
        break_between_session_mins=week.pause,
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
