"""What a week and a day off may be."""

from __future__ import annotations

import random
from datetime import date

import pytest

from domain.availability import (
    DAYS,
    MAX_WINDOWS_A_DAY,
    Absence,
    Day,
    Week,
    WeekDay,
    WeekWindow,
    check_absence,
    check_week,
    time_of,
)
from domain.errors import Code, DomainError
from tests.domain.schedules import week as windows_apart

TODAY, FARTHEST = date(2027, 6, 7), date(2029, 6, 7)


def row(day: Day, start: str, end: str, *, worked: bool = True) -> WeekDay:
    return WeekDay(day=day, start_time=start, end_time=end, is_available=worked)


def week(*days: WeekDay) -> Week:
    # As short as sessions are, so that the windows may be anything.
    return Week(time_zone="UTC", duration=5, break_mins=0, days=days)


def refused_field(*days: WeekDay) -> str | None:
    try:
        check_week(week(*days))
    except DomainError as error:
        assert error.code is Code.VALIDATION_FAILED
        return error.errors[0].field
    return None


@pytest.mark.parametrize(
    ("days", "field"),
    [
        ((row("Monday", "09:00", "12:00"), row("Monday", "12:00", "15:00")), None),
        ((row("Monday", "09:00", "12:00"), row("Monday", "11:55", "15:00")), "days[1]"),
        # Whichever begins later is the one at fault.
        ((row("Monday", "11:55", "15:00"), row("Monday", "09:00", "12:00")), "days[0]"),
        ((row("Monday", "09:00", "12:00"), row("Monday", "09:00", "12:00")), "days[1]"),
        ((row("Monday", "09:00", "18:00"), row("Monday", "12:00", "13:00")), "days[1]"),
        ((row("Monday", "09:00", "12:00"), row("Tuesday", "09:00", "12:00")), None),
        # Over midnight, and over that of the week: it begins on Saturday here, on Monday elsewhere.
        ((row("Monday", "22:00", "02:00"), row("Tuesday", "01:00", "03:00")), "days[1]"),
        ((row("Monday", "22:00", "02:00"), row("Tuesday", "02:00", "03:00")), None),
        ((row("Friday", "22:00", "02:00"), row("Saturday", "01:00", "03:00")), "days[1]"),
        ((row("Sunday", "22:00", "02:00"), row("Monday", "01:55", "03:00")), "days[1]"),
        ((row("Saturday", "01:00", "03:00"), row("Friday", "22:00", "01:30")), "days[0]"),
        ((row("Friday", "22:00", "24:00"), row("Saturday", "00:00", "03:00")), None),
        # The same time on the next day.
        ((row("Monday", "09:00", "09:00"), row("Tuesday", "08:55", "09:30")), "days[1]"),
        ((row("Monday", "09:00", "09:00"), row("Tuesday", "09:00", "09:00")), None),
        (tuple(row(day, "10:00", "10:00") for day in DAYS), None),
        # What is not worked is in nobody's way.
        ((row("Monday", "09:00", "12:00"), row("Monday", "09:00", "15:00", worked=False)), None),
        ((), None),
    ],
)
def test_windows_that_are_worked_lie_apart(days: tuple[WeekDay, ...], field: str | None) -> None:
    assert refused_field(*days) == field


def test_a_window_holds_a_session() -> None:
    days = (row("Monday", "09:00", "10:00"), row("Monday", "10:00", "10:55"), row("Sunday", "23:30", "00:25"))
    off = row("Friday", "09:00", "09:05", worked=False)
    short = Week(time_zone="UTC", duration=60, break_mins=0, days=(*days, off))
    with pytest.raises(DomainError) as refused:
        check_week(short)
    assert [error.field for error in refused.value.errors] == ["days[1]", "days[2]"]
    assert "60 minutes" in refused.value.errors[0].message


def marked(window: WeekWindow) -> set[int]:
    """The 5-minute pieces of the week that it covers, counted one by one."""
    start = DAYS.index(window.day) * 288 + window.start // 5
    length = (window.end - window.start) // 5
    return {(start + n) % (7 * 288) for n in range(length if length > 0 else length + 288)}


@pytest.mark.parametrize("number", range(300))
def test_a_week_passes_if_no_minute_is_worked_twice(number: int) -> None:
    chance = random.Random(number)
    windows = list(windows_apart(chance))
    if number % 2 and windows:
        start, end = chance.randrange(288) * 5, chance.randrange(1, 289) * 5
        windows.insert(chance.randrange(len(windows)), WeekWindow(day=chance.choice(DAYS), start=start, end=end))
    days = [row(one.day, time_of(one.start), time_of(one.end)) for one in windows]
    pieces = [piece for one in windows for piece in marked(one)]
    assert (refused_field(*days) is None) == (len(pieces) == len(set(pieces)))


def test_a_day_has_so_many_windows() -> None:
    many = [row("Monday", f"{hour:02d}:00", f"{hour:02d}:30", worked=hour % 2 == 0) for hour in range(20)]
    assert refused_field(*many[:MAX_WINDOWS_A_DAY]) is None
    assert refused_field(*many) == f"days[{MAX_WINDOWS_A_DAY}]"


@pytest.mark.parametrize(
    ("absence", "field"),
    [
        (Absence(date=TODAY), None),
        (Absence(date=TODAY, start=600, end=660), None),
        (Absence(date=TODAY, start=600, end=600), None),
        (Absence(date=FARTHEST), None),
        (Absence(date=date(2027, 6, 6)), "date"),
        (Absence(date=date(2029, 6, 8)), "date"),
        (Absence(date=TODAY, start=600), "endTime"),
        (Absence(date=TODAY, end=600), "startTime"),
    ],
)
def test_what_may_be_taken_off(absence: Absence, field: str | None) -> None:
    if field is None:
        check_absence(absence, TODAY, FARTHEST)
        return
    with pytest.raises(DomainError) as refused:
        check_absence(absence, TODAY, FARTHEST)
    assert [error.field for error in refused.value.errors] == [field]
