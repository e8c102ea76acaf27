"""Slots: what a schedule offers, and what of it is free. The offer and the booking use the same functions.

Wall times become instants at the edges of windows only; everything after that is arithmetic in UTC.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec

from domain.schedules import Absence, Day, Schedule
from domain.walltimes import exists, instant

# How far ahead of the trainer's today a slot may lie, and how many days one list spans (CONTRACT.md).
HORIZON_DAYS = 62
_DAY = timedelta(days=1)
_MINUTE = timedelta(minutes=1)
_WEEK: tuple[Day, ...] = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")

Span = tuple[datetime, datetime]


class Slot(msgspec.Struct, frozen=True):
    """Instants in UTC."""

    starts_at: datetime
    ends_at: datetime


class Busy(msgspec.Struct, frozen=True):
    """An active booking's time, with the pause in minutes that it was made with."""

    starts_at: datetime
    ends_at: datetime
    pause: int


def offered(schedule: Schedule, first: date, last: date) -> list[Slot]:
    """All slots that start on the dates ``first`` to ``last`` in the schedule's zone, by start; bookings aside."""
    zone = ZoneInfo(schedule.time_zone)
    begin, end = instant(zone, first, 0), instant(zone, last, 24 * 60)
    found = {
        slot.starts_at: slot
        for span in _open_spans(schedule, zone, first - _DAY, last + _DAY)
        for slot in _grid(span, schedule)
        if begin <= slot.starts_at < end
    }
    return _apart([found[start] for start in sorted(found)])


def at(schedule: Schedule, starts_at: datetime) -> Slot | None:
    """The slot that begins at an instant, by the very computation of the offer."""
    day = starts_at.astimezone(ZoneInfo(schedule.time_zone)).date()
    return next((slot for slot in offered(schedule, day, day) if slot.starts_at == starts_at), None)


def is_open(slot: Slot, time_zone: str, now: datetime) -> bool:
    """It lies ahead, but not beyond the horizon."""
    zone = ZoneInfo(time_zone)
    horizon = now.astimezone(zone).date() + HORIZON_DAYS * _DAY
    return slot.starts_at > now and slot.starts_at.astimezone(zone).date() <= horizon


def is_taken(slot: Slot, pause: int, busy: Iterable[Busy]) -> bool:
    """Overlap, not containment; each session with the pause after it."""
    ends_at = slot.ends_at + pause * _MINUTE
    return any(b.starts_at < ends_at and b.ends_at + b.pause * _MINUTE > slot.starts_at for b in busy)


def free(slots: Sequence[Slot], pause: int, busy: Sequence[Busy]) -> list[Slot]:
    """Those that no booking takes away; both by start. Bookings do not overlap each other."""
    taken = [(b.starts_at, b.ends_at + b.pause * _MINUTE) for b in busy]
    left: list[Slot] = []
    next_busy = 0
    for slot in slots:
        while next_busy < len(taken) and taken[next_busy][1] <= slot.starts_at:
            next_busy += 1
        if next_busy == len(taken) or taken[next_busy][0] >= slot.ends_at + pause * _MINUTE:
            left.append(slot)
    return left


def _grid(span: Span, schedule: Schedule) -> Iterator[Slot]:
    start, end = span
    duration, step = schedule.duration * _MINUTE, (schedule.duration + schedule.pause) * _MINUTE
    while start + duration <= end:
        yield Slot(start, start + duration)
        start += step


def _apart(slots: Sequence[Slot]) -> list[Slot]:
    """Windows that overlap would offer the same time twice: the earlier slot stands."""
    kept: list[Slot] = []
    for slot in slots:
        if not kept or slot.starts_at >= kept[-1].ends_at:
            kept.append(slot)
    return kept


def _open_spans(schedule: Schedule, zone: ZoneInfo, first: date, last: date) -> Iterator[Span]:
    """The windows of each date, less what the trainer has taken off."""
    by_day: dict[Day, list[tuple[int, int]]] = {}
    for window in schedule.windows:
        end = window.end if window.end > window.start else window.end + 24 * 60
        by_day.setdefault(window.day, []).append((window.start, end))
    whole_days = {absence.date for absence in schedule.absences if absence.start is None}
    off = sorted(_off(zone, absence) for absence in schedule.absences)
    day = first
    while day <= last:
        if day not in whole_days and by_day.get(_WEEK[day.weekday()]) and exists(zone, day):
            for start, end in by_day[_WEEK[day.weekday()]]:
                yield from _less((instant(zone, day, start), instant(zone, day, end)), off)
        day += _DAY


def _off(zone: ZoneInfo, absence: Absence) -> Span:
    if absence.start is None or absence.end is None:
        return instant(zone, absence.date, 0), instant(zone, absence.date, 24 * 60)
    end = absence.end if absence.end > absence.start else absence.end + 24 * 60
    return instant(zone, absence.date, absence.start), instant(zone, absence.date, end)


def _less(span: Span, off: Iterable[Span]) -> Iterator[Span]:
    """What is left of a span, in pieces; ``off`` by start."""
    start, end = span
    for off_start, off_end in off:
        if off_end <= start or off_start >= end:
            continue
        if off_start > start:
            yield start, off_start
        start = max(start, off_end)
    if start < end:
        yield start, end
