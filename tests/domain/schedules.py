"""Schedules by chance, and the days of a year on which clocks change."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta
from functools import cache
from itertools import pairwise
from zoneinfo import ZoneInfo

from domain.availability import DAYS, Absence, Day, Schedule, WeekWindow

# A zone with a year: two changes an hour wide, half an hour, at midnight, two hours, a day that never was, none.
ZONES = (
    ("America/New_York", 2027),
    ("Australia/Lord_Howe", 2027),
    ("Africa/Cairo", 2027),
    ("Pacific/Apia", 2011),
    ("Asia/Kathmandu", 2027),
    ("Asia/Kathmandu", 1986),
    ("Europe/London", 2027),
    ("Pacific/Chatham", 2027),
    ("America/Santiago", 2027),
    ("America/Havana", 2027),
    ("Africa/Casablanca", 2027),
    ("Antarctica/Troll", 2027),
    ("Asia/Beirut", 2027),
    ("Pacific/Honolulu", 2027),
)
_WEEK = 7 * 24 * 12
_DAY = timedelta(days=1)


@cache
def changes(name: str, year: int) -> list[date]:
    """The dates on which the zone's clocks change, by its own calendar; of one without, two dates."""
    zone = ZoneInfo(name)
    hours = [datetime(year - 1, 12, 31, tzinfo=UTC) + timedelta(hours=n) for n in range(368 * 24)]
    local = [hour.astimezone(zone) for hour in hours]
    found = [
        after.date()
        for before, after in pairwise(local)
        if before.utcoffset() != after.utcoffset() and after.year == year
    ]
    return found or [date(year, 3, 28), date(year, 10, 31)]


def week(chance: random.Random) -> tuple[WeekWindow, ...]:
    """Windows that do not overlap, some of them touching, some over midnight."""
    edges = sorted(chance.sample(range(_WEEK), 2 * chance.randint(1, 12)))
    spans = [(a, min(b, a + 288)) for a, b in zip(edges, [*edges[1:], edges[0] + _WEEK], strict=True)]
    kept = [span for span in spans if chance.random() < 0.6]
    return tuple(_window(start, end, chance) for start, end in kept)


def _window(start: int, end: int, chance: random.Random) -> WeekWindow:
    day, opens = divmod(start % _WEEK, 288)
    closes = (opens + end - start) % 288
    # Midnight has two names.
    if closes == 0 and opens and chance.random() < 0.5:
        closes = 288
    return WeekWindow(day=_day(day), start=opens * 5, end=closes * 5)


def _day(number: int) -> Day:
    return DAYS[number]


def absence(chance: random.Random, around: date) -> Absence:
    day = around + chance.randint(-4, 4) * _DAY
    if chance.random() < 0.3:
        return Absence(date=day)
    return Absence(date=day, start=chance.randrange(288) * 5, end=chance.randrange(289) * 5)


def schedule(chance: random.Random, zone: str, around: date) -> Schedule:
    return Schedule(
        time_zone=zone,
        duration=chance.choice((5, 15, 20, 30, 45, 50, 60, 75, 90, 120, 240)),
        break_mins=chance.choice((0, 0, 5, 10, 15, 30, 60)),
        windows=week(chance),
        absences=tuple(absence(chance, around) for _ in range(chance.choice((0, 0, 1, 2, 4)))),
    )
