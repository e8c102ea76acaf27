"""Slots as the rules have them, and as anyone with a clock would count them."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from time import process_time

import pytest

from domain import times
from domain.availability import DAYS, Absence, Schedule, WeekWindow
from domain.slots import HORIZON_DAYS, Busy, Slot, at, free, is_open, is_taken, offered, only_open
from domain.times import to_wire, to_wire_each
from domain.wire.availability import slot_answers
from tests.domain.minutes import count_out
from tests.domain.schedules import ZONES, changes, schedule, week

DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)
SCHEDULES = 200


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def daily(
    start: int, end: int, *, zone: str = "UTC", duration: int = 60, break_mins: int = 0, off: tuple[Absence, ...] = ()
) -> Schedule:
    windows = tuple(WeekWindow(day=day, start=start, end=end) for day in DAYS)
    return Schedule(time_zone=zone, duration=duration, break_mins=break_mins, windows=windows, absences=off)


def starts(schedule: Schedule, first: date, last: date | None = None) -> list[str]:
    return [slot.starts_at.strftime("%m-%d %H:%M") for slot in offered(schedule, first, last or first)]


def compare(number: int, days: int) -> None:
    """One schedule over the days around each change of its zone's clocks."""
    zone, year = ZONES[number % len(ZONES)]
    chance = random.Random(number)
    for around in changes(zone, year):
        made = schedule(chance, zone, around)
        first, last = around - days * DAY, around + days * DAY
        ours = [(slot.starts_at, slot.ends_at) for slot in offered(made, first, last)]
        assert ours == count_out(made, first, last), (made, first)


@pytest.mark.parametrize("zone", range(len(ZONES)))
def test_slots_are_those_that_a_clock_on_the_wall_counts_out(zone: int) -> None:
    for number in range(zone, SCHEDULES, len(ZONES)):
        compare(number, 2)


@pytest.mark.soak
@pytest.mark.parametrize("zone", range(len(ZONES)))
def test_many_schedules_over_two_months(zone: int) -> None:
    for number in range(SCHEDULES, SCHEDULES + 15):
        compare(number * len(ZONES) + zone, 30)


@pytest.mark.parametrize("number", range(len(ZONES)))
def test_a_list_of_days_is_the_lists_of_each_day(number: int) -> None:
    """Of windows that overlap, too: whatever is asked for, an instant has one slot or none."""
    zone, year = ZONES[number % len(ZONES)]
    chance = random.Random(number)
    around = changes(zone, year)[0]
    made = schedule(chance, zone, around)
    made = Schedule(
        time_zone=zone, duration=made.duration, break_mins=made.break_mins, absences=made.absences,
        windows=(*made.windows, *week(chance), *week(chance)),
    )
    days = [around + n * DAY for n in range(-3, 4)]
    listed = offered(made, days[0], days[-1])
    assert [slot for day in days for slot in offered(made, day, day)] == listed
    assert all(a.ends_at <= b.starts_at for a, b in pairwise(listed))
    assert [at(made, slot.starts_at) for slot in listed] == listed
    begins = {slot.starts_at for slot in listed}
    if listed:
        between = [listed[0].starts_at + n * 5 * MINUTE for n in range(288)]
        assert [i for i in between if i < listed[-1].ends_at and (at(made, i) is None) == (i in begins)] == []


@pytest.mark.parametrize("number", range(50))
def test_what_is_free_is_what_is_not_taken(number: int) -> None:
    chance = random.Random(number)
    made = schedule(chance, "UTC", date(2027, 3, 28))
    listed = offered(made, date(2027, 3, 21), date(2027, 4, 3))
    moment = utc("2027-03-20T00:00")
    busy = []
    while moment < utc("2027-04-05T00:00"):
        length, break_mins = chance.randrange(5, 240, 5), chance.randrange(0, 60, 5)
        busy.append(Busy(moment, moment + length * MINUTE, break_mins))
        moment += (length + break_mins + chance.choice((0, 5, 60, 600))) * MINUTE
    assert free(listed, made.break_mins, busy) == [slot for slot in listed if not is_taken(slot, made.break_mins, busy)]


# --- the grid ---


def test_the_grid_begins_with_the_window_and_keeps_the_break() -> None:
    day = date(2027, 6, 7)
    assert starts(daily(9 * 60, 12 * 60, break_mins=15), day) == ["06-07 09:00", "06-07 10:15"]
    # What is left fits the last session; its break may follow after hours.
    assert starts(daily(9 * 60, 11 * 60 + 15, break_mins=15), day) == ["06-07 09:00", "06-07 10:15"]
    assert starts(daily(9 * 60, 11 * 60 + 10, break_mins=15), day) == ["06-07 09:00"]
    assert starts(daily(9 * 60, 9 * 60 + 55), day) == []


def test_midnight_has_two_names_and_a_window_may_pass_it() -> None:
    day = date(2027, 6, 7)
    late = ["06-07 22:00", "06-07 23:00"]
    assert starts(daily(22 * 60, 24 * 60), day) == late
    assert starts(daily(22 * 60, 0), day) == late
    # The night before reaches into the day.
    assert starts(daily(22 * 60, 2 * 60), day) == ["06-07 00:00", "06-07 01:00", *late]
    assert starts(daily(0, 24 * 60, duration=480), day) == ["06-07 00:00", "06-07 08:00", "06-07 16:00"]
    assert len(starts(daily(9 * 60, 9 * 60), day, day + DAY)) == 48


def test_a_slot_belongs_to_the_date_on_which_it_starts() -> None:
    window = WeekWindow(day="Monday", start=1410, end=90)
    night = Schedule(time_zone="UTC", duration=45, break_mins=0, windows=(window,))
    assert starts(night, date(2027, 6, 7)) == ["06-07 23:30"]
    assert starts(night, date(2027, 6, 8)) == ["06-08 00:15"]


# --- days and hours off ---


def test_a_whole_day_off_takes_the_date_and_the_night_that_begins_on_it() -> None:
    nights = daily(22 * 60, 2 * 60, off=(Absence(date=date(2027, 6, 7)),))
    assert starts(nights, date(2027, 6, 6), date(2027, 6, 8)) == [
        "06-06 00:00", "06-06 01:00", "06-06 22:00", "06-06 23:00", "06-08 22:00", "06-08 23:00",
    ]  # fmt: skip


def test_hours_off_split_a_window_and_the_grid_begins_anew() -> None:
    off = (Absence(date=date(2027, 6, 7), start=10 * 60 + 30, end=11 * 60 + 15),)
    assert starts(daily(9 * 60, 14 * 60, off=off), date(2027, 6, 7)) == ["06-07 09:00", "06-07 11:15", "06-07 12:15"]


def test_hours_off_within_hours_off() -> None:
    day = date(2027, 6, 7)
    off = (Absence(date=day, start=600, end=840), Absence(date=day, start=660, end=720))
    assert starts(daily(9 * 60, 15 * 60, off=off), day) == ["06-07 09:00", "06-07 14:00"]


def test_hours_off_over_midnight_and_of_the_day_after() -> None:
    night = (Absence(date=date(2027, 6, 6), start=23 * 60, end=60),)
    assert starts(daily(0, 24 * 60, off=night), date(2027, 6, 7))[0] == "06-07 01:00"
    after = (Absence(date=date(2027, 6, 8), start=0, end=60),)
    assert starts(daily(22 * 60, 2 * 60, off=after), date(2027, 6, 7), date(2027, 6, 8)) == [
        "06-07 00:00", "06-07 01:00", "06-07 22:00", "06-07 23:00", "06-08 01:00", "06-08 22:00", "06-08 23:00",
    ]  # fmt: skip


def test_hours_off_that_the_clocks_skip_take_nothing() -> None:
    gap = daily(0, 6 * 60, zone="America/New_York", duration=90)
    off = (Absence(date=date(2027, 3, 14), start=2 * 60 + 15, end=2 * 60 + 45),)
    without = daily(0, 6 * 60, zone="America/New_York", duration=90, off=off)
    assert starts(without, date(2027, 3, 14)) == starts(gap, date(2027, 3, 14)) != []


# --- clocks that change ---


def test_an_hour_that_comes_twice_and_one_that_does_not_come() -> None:
    early = daily(0, 4 * 60, zone="America/New_York")
    assert starts(early, date(2027, 11, 7)) == [f"11-07 {hour:02d}:00" for hour in (4, 5, 6, 7, 8)]
    assert starts(early, date(2027, 3, 14)) == [f"03-14 {hour:02d}:00" for hour in (5, 6, 7)]


def test_lengths_are_real_time() -> None:
    """From 01:30 to 02:30 on the wall are two hours when the clocks are put back, none of them a session of three."""
    window = daily(90, 150, zone="America/New_York", duration=120)
    assert starts(window, date(2027, 11, 7)) == ["11-07 05:30"]
    assert starts(window, date(2027, 11, 8)) == []


def test_a_window_that_the_clocks_skip_is_not_there() -> None:
    assert starts(daily(120, 180, zone="America/New_York", duration=5), date(2027, 3, 14)) == []
    assert starts(daily(0, 60, zone="Africa/Cairo", duration=5), date(2027, 4, 30)) == []


def test_a_date_that_never_was_yields_nothing() -> None:
    apia = daily(9 * 60, 11 * 60, zone="Pacific/Apia")
    assert offered(apia, date(2011, 12, 30), date(2011, 12, 30)) == []
    assert starts(apia, date(2011, 12, 29), date(2011, 12, 31)) == [
        "12-29 19:00", "12-29 20:00", "12-30 19:00", "12-30 20:00",
    ]  # fmt: skip


# --- what may still be booked ---


def test_nothing_past_and_nothing_beyond_the_last_day() -> None:
    zone = "Pacific/Auckland"
    now = utc("2027-06-07T11:00")  # 23:00 on the 7th there
    listed = offered(daily(0, 24 * 60, zone=zone, duration=30), date(2027, 6, 1), date(2027, 9, 1))
    left = only_open(listed, zone, now)
    assert left == [slot for slot in listed if is_open(slot, zone, now)]
    assert left[0].starts_at == utc("2027-06-07T11:30")
    # 23:30 on the 8th of August, 62 days ahead.
    assert left[-1].starts_at == utc("2027-08-08T11:30")
    assert (date(2027, 8, 8) - date(2027, 6, 7)).days == HORIZON_DAYS


def test_two_months_of_a_busy_trainer_cost_little() -> None:
    """The bar is 20 ms of CPU; a tenth of it is usual."""
    zone, now, first = "America/New_York", utc("2027-02-20T03:00"), date(2027, 2, 20)
    made = daily(9 * 60, 21 * 60, zone=zone, duration=45, break_mins=15)
    last = first + (HORIZON_DAYS - 1) * DAY
    busy = [Busy(s.starts_at, s.ends_at, 15) for n, s in enumerate(offered(made, first, last)) if n % 12 < 10]
    assert len(busy) == 10 * HORIZON_DAYS
    costs = []
    for _ in range(5):
        begun = process_time()
        left = free(only_open(offered(made, first, last), zone, now), made.break_mins, busy)
        costs.append(process_time() - begun)
    assert len(left) == 2 * HORIZON_DAYS
    assert min(costs) < 0.020


def test_of_the_largest_answer_each_day_is_written_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """One by one its texts took four times as long as what they say; ``bench.slots`` has the figures."""
    written: list[int] = []
    write = times._date

    def counted(ordinal: int) -> str:
        written.append(ordinal)
        return write(ordinal)

    monkeypatch.setattr(times, "_date", counted)
    made = daily(0, 24 * 60, zone="America/New_York", duration=5)
    first = date(2027, 2, 20)
    left = free(offered(made, first, first + (HORIZON_DAYS - 1) * DAY), made.break_mins, ())
    answers = slot_answers(left)
    assert len(answers) == len(left) > 17_000
    # For the starts and for the ends; in UTC the last day of New York reaches into the next.
    assert len(written) == 2 * (HORIZON_DAYS + 1)


def test_texts_of_many_instants_are_those_of_each() -> None:
    chance = random.Random(5)
    day = utc("2027-02-27T00:00")
    for unit in (timedelta(minutes=7), timedelta(seconds=59), timedelta(milliseconds=61_001), timedelta(days=29)):
        instants = [day + number * unit for number in range(500)]
        assert to_wire_each(instants) == [to_wire(one) for one in instants]
        chance.shuffle(instants)
        assert to_wire_each(instants) == [to_wire(one) for one in instants]


@pytest.mark.parametrize("moment", ["0001-01-01T00:00", "1969-12-31T23:00", "9999-12-31T23:59"])
def test_no_slot_at_the_ends_of_the_calendar(moment: str) -> None:
    assert at(daily(0, 24 * 60, zone="America/New_York"), utc(moment)) is None


@pytest.mark.parametrize(
    ("start", "taken"), [("09:00", False), ("09:05", True), ("10:00", True), ("11:10", True), ("11:15", False)]
)
def test_breaks_count_on_both_sides(start: str, taken: bool) -> None:
    """A session of 50 minutes and 10 of break; booked is 10 to 11 with a break of 15."""
    begins = utc(f"2027-06-07T{start}")
    busy = [Busy(utc("2027-06-07T10:00"), utc("2027-06-07T11:00"), 15)]
    assert is_taken(Slot(begins, begins + 50 * MINUTE), 10, busy) is taken
