"""From the wall to the instant, at the changes of clocks, and instants as the wire shows them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.times import exists, from_wire, instant, to_wire, whole_milliseconds
from tests.domain.minutes import MINUTE, wall
from tests.domain.schedules import ZONES, changes


@pytest.mark.parametrize(
    ("zone", "day", "clock", "expected"),
    [
        # Shown twice: the first time.
        ("America/New_York", "2027-11-07", "01:30", "2027-11-07T05:30"),
        ("America/New_York", "2027-11-07", "02:00", "2027-11-07T07:00"),
        # Put back by half an hour: 01:45 comes twice, 01:25 does not.
        ("Australia/Lord_Howe", "2027-04-04", "01:45", "2027-04-03T14:45"),
        ("Australia/Lord_Howe", "2027-04-04", "01:25", "2027-04-03T14:25"),
        ("Australia/Lord_Howe", "2027-04-04", "02:00", "2027-04-03T15:30"),
        # Skipped: the moment at which it is.
        ("America/New_York", "2027-03-14", "02:30", "2027-03-14T07:00"),
        ("America/New_York", "2027-03-14", "03:00", "2027-03-14T07:00"),
        ("Australia/Lord_Howe", "2027-10-03", "02:10", "2027-10-02T15:30"),
        ("Africa/Cairo", "2027-04-30", "00:00", "2027-04-29T22:00"),
        ("Africa/Cairo", "2027-04-30", "00:55", "2027-04-29T22:00"),
        ("Africa/Cairo", "2027-04-29", "24:00", "2027-04-29T22:00"),
        # A whole day skipped.
        ("Pacific/Apia", "2011-12-30", "09:00", "2011-12-30T10:00"),
        ("Pacific/Apia", "2011-12-29", "24:00", "2011-12-30T10:00"),
        ("Pacific/Apia", "2011-12-31", "00:00", "2011-12-30T10:00"),
        ("Asia/Kathmandu", "2027-06-07", "09:00", "2027-06-07T03:15"),
    ],
)
def test_golden_instants(zone: str, day: str, clock: str, expected: str) -> None:
    hours, minutes = map(int, clock.split(":"))
    found = instant(ZoneInfo(zone), date.fromisoformat(day), hours * 60 + minutes)
    assert found == datetime.fromisoformat(expected).replace(tzinfo=UTC)
    assert found.tzinfo is UTC


def test_the_same_wall_time_a_second_time() -> None:
    """The zones' own data, as the rules were written for it."""
    for zone, wall_time, second in (
        ("America/New_York", datetime(2027, 11, 7, 1, 30, fold=1), "2027-11-07T06:30"),
        ("Australia/Lord_Howe", datetime(2027, 4, 4, 1, 45, fold=1), "2027-04-03T15:15"),
    ):
        found = wall_time.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
        assert found == datetime.fromisoformat(second).replace(tzinfo=UTC)


@pytest.mark.parametrize(("zone", "year"), ZONES)
def test_an_instant_is_the_first_at_which_the_clock_has_come_so_far(zone: str, year: int) -> None:
    for day in changes(zone, year):
        clock = wall(zone, day, day)
        for minutes in range(-1440, 2880, 5):
            expected = clock.begin + clock.first_at(day, minutes) * MINUTE
            assert instant(ZoneInfo(zone), day, minutes) == expected, (day, minutes)


def test_a_date_that_never_was() -> None:
    apia = ZoneInfo("Pacific/Apia")
    days = [date(2011, 12, 28) + timedelta(days=n) for n in range(5)]
    assert [exists(apia, day) for day in days] == [True, True, False, True, True]
    assert exists(ZoneInfo("Africa/Cairo"), date(2027, 4, 30))


@given(st.datetimes(timezones=st.just(UTC)))
def test_an_instant_on_the_wire_is_it_in_milliseconds(moment: datetime) -> None:
    text = to_wire(moment)
    assert text == moment.strftime("%Y").zfill(4) + moment.strftime("-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
    assert from_wire(text, "at") == whole_milliseconds(moment)
    assert moment - whole_milliseconds(moment) < timedelta(milliseconds=1)
    assert whole_milliseconds(moment).microsecond % 1000 == 0
