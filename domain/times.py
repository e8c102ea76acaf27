"""Instants on the wire (RFC 3339 in UTC, milliseconds, ``Z``), and the instant that a date and a wall time mean."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from domain.errors import invalid

# Each message has one, a list of slots thousands: tables take a quarter of the time of ``isoformat``.
_HOURS = tuple(f"T{hour:02d}:" for hour in range(24))
_MINUTES = tuple(f"{minute:02d}:" for minute in range(60))
_SECONDS = tuple(f"{second:02d}." for second in range(60))
_MILLISECONDS = tuple(f"{millisecond:03d}Z" for millisecond in range(1000))
_WHOLE_MINUTES = tuple(f"{hour}{minute}00.000Z" for hour in _HOURS for minute in _MINUTES)


@lru_cache(maxsize=4096)
def _date(ordinal: int) -> str:
    return date.fromordinal(ordinal).isoformat()


def to_wire(instant: datetime) -> str:
    """``2026-11-22T09:30:00.000Z``; the instant must be aware and in UTC."""
    return (
        f"{_date(instant.toordinal())}{_HOURS[instant.hour]}{_MINUTES[instant.minute]}{_SECONDS[instant.second]}"
        f"{_MILLISECONDS[instant.microsecond // 1000]}"
    )


def to_wire_each(instants: Iterable[datetime]) -> list[str]:
    """As ``to_wire``, for thousands on few days, most of them whole minutes: half of the time."""
    texts: list[str] = []
    ordinal, day = 0, ""
    for instant in instants:
        if instant.second or instant.microsecond:
            texts.append(to_wire(instant))
            continue
        if instant.toordinal() != ordinal:
            ordinal = instant.toordinal()
            day = _date(ordinal)
        texts.append(day + _WHOLE_MINUTES[instant.hour * 60 + instant.minute])
    return texts


def to_wire_or_none(instant: datetime | None) -> str | None:
    return None if instant is None else to_wire(instant)


_NO_INSTANT = "has to be an instant of RFC 3339 with its offset, like 2026-11-22T09:30:00.000Z"


def from_wire(text: str, field: str) -> datetime:
    """The instant a client named; raises ``validation_failed`` for ``field``."""
    try:
        instant = datetime.fromisoformat(text.upper())
    except ValueError:
        raise invalid(field, _NO_INSTANT) from None
    if instant.tzinfo is None or "T" not in text.upper():
        raise invalid(field, _NO_INSTANT)
    try:
        return instant.astimezone(UTC)
    except OverflowError:
        raise invalid(field, "has to be an instant of the years 1 to 9999 in UTC") from None


# Each message is given an instant: a subtraction takes an eighth of what ``replace`` does.
_MICROSECONDS = tuple(timedelta(microseconds=number) for number in range(1000))


def whole_milliseconds(instant: datetime) -> datetime:
    """Cut to the precision that MongoDB stores and the wire shows."""
    return instant - _MICROSECONDS[instant.microsecond % 1000]


def from_milliseconds(milliseconds: int) -> datetime | None:
    """Since 1970; 0 stands for unknown."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC) if milliseconds else None


_NOON = time(12)
_SECOND = timedelta(seconds=1)


def instant(zone: ZoneInfo, day: date, minutes: int) -> datetime:
    """``minutes`` after midnight on the wall, beyond 1440 on the next day; the answer is in UTC.

    What the clocks show twice means the first time; what they skip means the moment at which they skip it.
    """
    wall = datetime.combine(day, time()) + timedelta(minutes=minutes)
    before = zone.utcoffset(wall)
    after = zone.utcoffset(wall.replace(fold=1))
    assert before is not None
    assert after is not None
    early = (wall - before).replace(tzinfo=UTC)
    if after <= before:
        return early
    # Only inside a gap does the later offset come with fold 1.
    return _transition(zone, (wall - after).replace(tzinfo=UTC), early)


def exists(zone: ZoneInfo, day: date) -> bool:
    """Whether the zone's calendar has the date: Apia had no 30th of December in 2011."""
    noon = datetime.combine(day, _NOON, zone)
    return noon.astimezone(UTC).astimezone(zone).date() == day


def _transition(zone: ZoneInfo, before: datetime, after: datetime) -> datetime:
    """The first second of the new offset, which begins after ``before`` and not after ``after``."""
    old = before.astimezone(zone).utcoffset()
    low, high = 0, int((after - before) / _SECOND)
    while high - low > 1:
        middle = (low + high) // 2
        if (before + middle * _SECOND).astimezone(zone).utcoffset() == old:
            low = middle
        else:
            high = middle
    return before + high * _SECOND
