"""When a trainer works: windows of the week in wall time less the days and hours off, and what of a week is invalid."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import date, datetime
from itertools import pairwise
from typing import Literal, get_args

import msgspec

from domain.errors import FieldError, invalid, invalid_fields

Day = Literal["Saturday", "Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday"]
DAYS: tuple[Day, ...] = get_args(Day)


class WeekWindow(msgspec.Struct, frozen=True, kw_only=True):
    """Minutes since midnight, ``end`` up to 1440; an end at or before the start is on the next day."""

    day: Day
    start: int
    end: int


class Absence(msgspec.Struct, frozen=True, kw_only=True):
    """A TrainerAvailabilityException: the whole date, or minutes since midnight of it."""

    date: date
    start: int | None = None
    end: int | None = None


class Schedule(msgspec.Struct, frozen=True, kw_only=True):
    """``duration`` and ``break_mins`` (after each session) in minutes, multiples of 5 like every edge.

    ``notice_mins``: how long before its start a session can be booked at the latest.
    """

    time_zone: str
    duration: int
    break_mins: int = msgspec.field(name="pause")
    notice_mins: int = 0
    windows: tuple[WeekWindow, ...] = ()
    absences: tuple[Absence, ...] = ()


def minutes_of(wall_time: str) -> int:
    """``HH:MM`` as minutes since midnight; ``24:00`` is 1440."""
    hours, _, minutes = wall_time.partition(":")
    return int(hours) * 60 + int(minutes)


def time_of(minutes: int) -> str:
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


def days_of(window: WeekWindow) -> tuple[Day, ...]:
    """The days on which a session of this window may begin: two where it runs past midnight."""
    if window.end > window.start or window.end == 0:
        return (window.day,)
    return (window.day, DAYS[(DAYS.index(window.day) + 1) % len(DAYS)])


def weekday(day: date) -> Day:
    """The name of a date's day."""
    return DAYS[(day.weekday() + 2) % len(DAYS)]


_DAY_MINUTES = 24 * 60
MAX_WINDOWS_A_DAY = 12


class WeekDay(msgspec.Struct, frozen=True, kw_only=True):
    """A row of Availability: one window of a day of the week, in wall time."""

    day: Day
    start_time: str
    end_time: str
    is_available: bool = True

    @property
    def window(self) -> WeekWindow:
        return WeekWindow(day=self.day, start=minutes_of(self.start_time), end=minutes_of(self.end_time))


class Week(msgspec.Struct, frozen=True, kw_only=True):
    """A TrainerAvailability with its rows; minutes."""

    time_zone: str
    duration: int
    break_mins: int = msgspec.field(name="pause")
    notice_mins: int = 0
    days: tuple[WeekDay, ...] = ()


class AbsenceRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A row of TrainerAvailabilityException."""

    id: str
    absence: Absence
    reason: str | None
    created_at: datetime
    updated_at: datetime

    @property
    def start_time(self) -> str | None:
        return None if self.absence.start is None else time_of(self.absence.start)

    @property
    def end_time(self) -> str | None:
        return None if self.absence.end is None else time_of(self.absence.end)


def check_week(week: Week) -> None:
    """Windows that are worked hold a session and do not overlap, neither on a day nor over its midnight;
    ``validation_failed``."""
    _check_number(week.days)
    spans = sorted(_spans(week.days))
    if short := sorted(number for start, end, number in spans if end - start < week.duration):
        message = f"is shorter than a session, which takes {week.duration} minutes"
        raise invalid_fields(FieldError(f"days[{number}]", message) for number in short)
    last = max(spans, default=None, key=lambda span: span[1])
    if last is not None and last[1] > 7 * _DAY_MINUTES:
        # The night from the last day of the week to the first.
        spans.insert(0, (last[0] - 7 * _DAY_MINUTES, last[1] - 7 * _DAY_MINUTES, last[2]))
    for (_, end, _), (start, _, number) in pairwise(spans):
        if start < end:
            raise invalid(f"days[{number}]", "overlaps another window: each has to end before the next begins")


def check_absence(absence: Absence, today: date, farthest: date) -> None:
    """Raises ``validation_failed`` for one that is over, or for half a pair of times."""
    if (absence.start is None) != (absence.end is None):
        raise invalid("endTime" if absence.end is None else "startTime", "is needed as well: both or neither")
    if not today <= absence.date <= farthest:
        raise invalid("date", "has to lie ahead, at most two years")


def _check_number(days: Sequence[WeekDay]) -> None:
    counted: Counter[Day] = Counter()
    for number, day in enumerate(days):
        counted[day.day] += 1
        if counted[day.day] > MAX_WINDOWS_A_DAY:
            raise invalid(f"days[{number}]", f"is one too many: a day has at most {MAX_WINDOWS_A_DAY}")


def _spans(days: Sequence[WeekDay]) -> list[tuple[int, int, int]]:
    """Start and end in minutes of the week, with the number of the window."""
    found = []
    for number, day in enumerate(days):
        if day.is_available:
            window, midnight = day.window, DAYS.index(day.day) * _DAY_MINUTES
            end = window.end if window.end > window.start else window.end + _DAY_MINUTES
            found.append((midnight + window.start, midnight + end, number))
    return found
