"""Slots: what a schedule offers, and what of it is free. The offer and the booking use the same functions.

Wall times become instants at the edges of windows only; everything after that is arithmetic in UTC. A slot hint is
what nodes publish when a trainer's slots may have changed: where to look, never what was seen.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec

from domain.availability import Absence, Day, Schedule
from domain.times import exists, instant

# How far ahead of the trainer's today a slot may lie, and how many days one list spans, in the wire contract.
HORIZON_DAYS = 62
_DAY = timedelta(days=1)
_MINUTE = timedelta(minutes=1)
# Further away no trainer offers anything, and arithmetic would leave the calendar.
_EARLIEST, _LATEST = datetime(1970, 1, 2, tzinfo=UTC), datetime(9998, 12, 30, tzinfo=UTC)
_NEVER = datetime.max.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
_WEEK: tuple[Day, ...] = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")

Span = tuple[datetime, datetime]
# The first and the last, in the trainer's zone.
Days = tuple[date, date]


class Slot(msgspec.Struct, frozen=True, gc=False):
    """Instants in UTC."""

    starts_at: datetime
    ends_at: datetime


class Busy(msgspec.Struct, frozen=True):
    """An active booking's time, with the break in minutes that it was made with."""

    starts_at: datetime
    ends_at: datetime
    break_mins: int = msgspec.field(name="pause")


def offered(schedule: Schedule, first: date, last: date) -> list[Slot]:
    """All slots that start on the dates ``first`` to ``last`` in the schedule's zone, by start; bookings aside."""
    zone = ZoneInfo(schedule.time_zone)
    begin, end = instant(zone, first, 0), instant(zone, last, 24 * 60)
    return [slot for slot in _slots(schedule, zone, first, last) if begin <= slot.starts_at < end]


def at(schedule: Schedule, starts_at: datetime) -> Slot | None:
    """The slot that begins at an instant, by the very computation of the offer."""
    if not _EARLIEST <= starts_at < _LATEST:
        return None
    zone = ZoneInfo(schedule.time_zone)
    day = starts_at.astimezone(zone).date()
    return next((slot for slot in _slots(schedule, zone, day, day) if slot.starts_at == starts_at), None)


def open_until(time_zone: str, now: datetime) -> datetime:
    """Where the trainer's last bookable day ends."""
    zone = ZoneInfo(time_zone)
    return instant(zone, now.astimezone(zone).date() + HORIZON_DAYS * _DAY, 24 * 60)


def is_open(slot: Slot, time_zone: str, now: datetime, notice_mins: int = 0) -> bool:
    """It lies ahead by the trainer's notice, but not beyond the horizon."""
    return bool(only_open([slot], time_zone, now, notice_mins))


def only_open(slots: Iterable[Slot], time_zone: str, now: datetime, notice_mins: int = 0) -> list[Slot]:
    """Those that lie ahead by the trainer's notice, but not beyond the horizon."""
    until = open_until(time_zone, now)
    if notice_mins:
        first = now + notice_mins * _MINUTE
        return [slot for slot in slots if first <= slot.starts_at < until]
    return [slot for slot in slots if now < slot.starts_at < until]


def of_days(slots: Sequence[Slot], time_zone: str, first: date, last: date) -> Sequence[Slot]:
    """Those that start on the dates ``first`` to ``last`` in the zone, of some by start."""
    zone = ZoneInfo(time_zone)
    begin, end = (bisect_left(slots, at, key=_start) for at in (instant(zone, first, 0), instant(zone, last, 24 * 60)))
    return slots[begin:end]


def _start(slot: Slot) -> datetime:
    return slot.starts_at


def is_taken(slot: Slot, break_mins: int, busy: Iterable[Busy]) -> bool:
    """Overlap, not containment; each session with the break after it."""
    ends_at = slot.ends_at + break_mins * _MINUTE
    return any(b.starts_at < ends_at and b.ends_at + b.break_mins * _MINUTE > slot.starts_at for b in busy)


def free(slots: Sequence[Slot], break_mins: int, busy: Sequence[Busy]) -> list[Slot]:
    """Those that no booking takes away; both by start."""
    # Each with the break that a slot before it needs.
    pause = break_mins * _MINUTE
    taken = iter([(b.starts_at - pause, b.ends_at + b.break_mins * _MINUTE) for b in busy])
    left: list[Slot] = []
    begins, over = next(taken, _NEVER)
    for slot in slots:
        while over <= slot.starts_at:
            begins, over = next(taken, _NEVER)
        # Of those that are not over, none begins before this one.
        if begins >= slot.ends_at:
            left.append(slot)
    return left


def _slots(schedule: Schedule, zone: ZoneInfo, first: date, last: date) -> Iterator[Slot]:
    """Those of the dates, and some before and after them; by start."""
    duration = schedule.duration * _MINUTE
    step = duration + schedule.break_mins * _MINUTE if schedule.break_mins else duration
    # Two days before, because a window of that day may shorten the next day's, which reaches into the dates.
    for start, end in _open_spans(schedule, zone, first - 2 * _DAY, last + _DAY):
        while (ends_at := start + duration) <= end:
            yield Slot(start, ends_at)
            start = ends_at if step is duration else start + step


def _open_spans(schedule: Schedule, zone: ZoneInfo, first: date, last: date) -> Iterator[Span]:
    """The windows of each date, less what the trainer has taken off; by start, and apart from each other."""
    by_day = _windows_by_day(schedule)
    off = _Off(zone, schedule.absences)
    reached = instant(zone, first, 0)
    for day in (first + number * _DAY for number in range((last - first).days + 1)):
        if off.is_whole(day) or not exists(zone, day):
            continue
        for opens, closes in by_day.get(_WEEK[day.weekday()], ()):
            start, end = instant(zone, day, opens), instant(zone, day, closes)
            # Where windows overlap, that time is the earlier one's.
            yield from _less((max(start, reached), end), off.near(day))
            reached = max(reached, end)


def _windows_by_day(schedule: Schedule) -> dict[Day, list[tuple[int, int]]]:
    """From and until, by start; an end on the next day is beyond 1440."""
    by_day: dict[Day, list[tuple[int, int]]] = {}
    for window in schedule.windows:
        by_day.setdefault(window.day, []).append((window.start, _end_after(window.start, window.end)))
    for windows in by_day.values():
        windows.sort()
    return by_day


def _end_after(start: int, end: int) -> int:
    return end if end > start else end + 24 * 60


class _Off:
    """What a trainer has taken off. A window on a whole day off goes with all of it, past midnight too."""

    def __init__(self, zone: ZoneInfo, absences: Iterable[Absence]) -> None:
        self._zone = zone
        self._spans: dict[date, list[Span]] = {}
        self._by_date: dict[date, list[Absence]] = {}
        for absence in absences:
            self._by_date.setdefault(absence.date, []).append(absence)

    def is_whole(self, day: date) -> bool:
        return any(absence.start is None for absence in self._by_date.get(day, ()))

    def near(self, day: date) -> list[Span]:
        """Those that can touch a window of that day, by start."""
        return sorted(span for one in (day - _DAY, day, day + _DAY) for span in self._on(one))

    def _on(self, day: date) -> list[Span]:
        if day not in self._spans:
            spans = [self._span(absence) for absence in self._by_date.get(day, ())]
            # The clocks may have skipped all of it.
            self._spans[day] = [span for span in spans if span[0] < span[1]]
        return self._spans[day]

    def _span(self, absence: Absence) -> Span:
        if absence.start is None or absence.end is None:
            start, end = 0, 24 * 60
        else:
            start, end = absence.start, _end_after(absence.start, absence.end)
        return instant(self._zone, absence.date, start), instant(self._zone, absence.date, end)


def _less(span: Span, off: Iterable[Span]) -> Iterator[Span]:
    """What is left of a span, in pieces; ``off`` by start."""
    start, end = span
    for off_start, off_end in off:
        if off_end <= start or off_start >= end:
            continue
        if off_start > start:
            yield start, off_start
        start = off_end
    if start < end:
        yield start, end


class BookingHint(msgspec.Struct, frozen=True, tag="booking"):
    """A booking gave these times up or took them."""

    spans: tuple[Busy, ...]


class ScheduleHint(msgspec.Struct, frozen=True, kw_only=True, tag="schedule"):
    """``before``: what was offered until now. ``whole``: all of it comes or goes, whatever is offered now."""

    before: Schedule | None
    whole: bool = False


SlotHint = BookingHint | ScheduleHint
