"""When a trainer works: windows of the week in wall time, less the days and hours off."""

from __future__ import annotations

from datetime import date
from typing import Literal, get_args

import msgspec

Day = Literal["Saturday", "Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday"]
DAYS: tuple[Day, ...] = get_args(Day)


class Window(msgspec.Struct, frozen=True, kw_only=True):
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
    """``duration`` and ``pause`` (after each session) in minutes, multiples of 5 like every edge."""

    time_zone: str
    duration: int
    pause: int
    windows: tuple[Window, ...] = ()
    absences: tuple[Absence, ...] = ()


def minutes_of(wall_time: str) -> int:
    """``HH:MM`` as minutes since midnight; ``24:00`` is 1440."""
    hours, _, minutes = wall_time.partition(":")
    return int(hours) * 60 + int(minutes)


def time_of(minutes: int) -> str:
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


def days_of(window: Window) -> tuple[Day, ...]:
    """The days on which a session of this window may begin: two where it runs past midnight."""
    if window.end > window.start or window.end == 0:
        return (window.day,)
    return (window.day, DAYS[(DAYS.index(window.day) + 1) % len(DAYS)])


def weekday(day: date) -> Day:
    """The name of a date's day."""
    return DAYS[(day.weekday() + 2) % len(DAYS)]
