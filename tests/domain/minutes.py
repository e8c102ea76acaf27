"""Slots counted out minute by minute, without a line of the program's own arithmetic.

What a clock on the wall shows is written down for each minute of UTC; a window opens at the first minute at which
that clock shows its time or a later one.
"""

from __future__ import annotations

from bisect import bisect_left
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from itertools import accumulate
from zoneinfo import ZoneInfo

from domain.availability import Schedule, WeekWindow

MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
# Days written down beyond those asked for, on either side.
MARGIN = 4


class WallClock:
    """A clock on the wall of a zone, read each minute for some days."""

    def __init__(self, name: str, first: date, last: date) -> None:
        zone = ZoneInfo(name)
        self.begin = datetime.combine(first - MARGIN * DAY, datetime.min.time(), UTC)
        minutes = ((last - first).days + 1 + 2 * MARGIN) * 24 * 60
        shown = [(self.begin + n * MINUTE).astimezone(zone).replace(tzinfo=None, fold=0) for n in range(minutes)]
        self.dates = [at.date() for at in shown]
        # The latest time shown so far: where the clocks are put back, they have shown it before.
        self._reached = list(accumulate(shown, max))

    def first_at(self, day: date, minutes: int) -> int:
        """The first minute at which the clock shows so many minutes past that day's midnight, or more."""
        return bisect_left(self._reached, datetime.combine(day, datetime.min.time()) + minutes * MINUTE)


@lru_cache(maxsize=64)
def wall(name: str, first: date, last: date) -> WallClock:
    return WallClock(name, first, last)


def count_out(schedule: Schedule, first: date, last: date) -> list[tuple[datetime, datetime]]:
    """Start and end of every slot that starts on those dates."""
    clock = wall(schedule.time_zone, first, last)
    closed = _closed(schedule, clock)
    found = []
    for number in range(-MARGIN + 1, (last - first).days + MARGIN):
        day = first + number * DAY
        if day not in clock.dates or any(a.start is None and a.date == day for a in schedule.absences):
            continue
        for window in schedule.windows:
            if window.day == day.strftime("%A"):
                found += _in_window(schedule, clock, day, window, closed)
    starts = sorted(minute for minute in found if first <= clock.dates[minute] <= last)
    return [(clock.begin + n * MINUTE, clock.begin + (n + schedule.duration) * MINUTE) for n in starts]


def _closed(schedule: Schedule, clock: WallClock) -> set[int]:
    closed: set[int] = set()
    for absence in schedule.absences:
        if absence.start is None or absence.end is None:
            closed.update(n for n, day in enumerate(clock.dates) if day == absence.date)
        else:
            night = 1440 if absence.end <= absence.start else 0
            off = clock.first_at(absence.date, absence.start), clock.first_at(absence.date, absence.end + night)
            closed.update(range(*off))
    return closed


def _in_window(schedule: Schedule, clock: WallClock, day: date, window: WeekWindow, closed: set[int]) -> list[int]:
    """Walk through the window with a count of the minutes since it, or what was off, began."""
    night = 1440 if window.end <= window.start else 0
    opens, closes = clock.first_at(day, window.start), clock.first_at(day, window.end + night)
    starts: list[int] = []
    since = 0
    for minute in range(opens, closes):
        if minute in closed:
            since = 0
            continue
        since += 1
        step = schedule.duration + schedule.break_mins
        if since % step == schedule.duration % step:
            starts.append(minute + 1 - schedule.duration)
    return starts
