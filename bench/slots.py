"""What it costs to show a trainer's slots: 62 days with ten bookings a day, from the rules to the bytes of the answer.

    python -m bench.slots [--rounds 50]

CPU of one core, the median of the rounds; what MongoDB does is not in it.
"""

from __future__ import annotations

import argparse
import random
import statistics
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from functools import partial

from domain.availability import DAYS, Absence, Schedule, WeekWindow
from domain.slots import HORIZON_DAYS, Busy, Slot, at, free, offered, only_open
from domain.wire import codec
from domain.wire.availability import SlotList, slot_answers

# Both clocks of the zone change within 62 days of the one or the other.
ZONE = "America/New_York"
NOW = datetime(2027, 2, 20, 3, tzinfo=UTC)
FIRST = date(2027, 2, 20)
LAST = FIRST + timedelta(days=HORIZON_DAYS - 1)
BOOKINGS_A_DAY = 10


def schedule(start: int, end: int, duration: int, break_mins: int, absences: int) -> Schedule:
    windows = tuple(WeekWindow(day=day, start=start, end=end) for day in DAYS)
    off = tuple(Absence(date=FIRST + timedelta(days=n % 62), start=720, end=735) for n in range(absences))
    return Schedule(time_zone=ZONE, duration=duration, break_mins=break_mins, windows=windows, absences=off)


CASES = (
    ("09-21 h, 45 + 15 min", schedule(9 * 60, 21 * 60, 45, 15, 0)),
    ("09-21 h, 45 + 15 min, 500 exceptions", schedule(9 * 60, 21 * 60, 45, 15, 500)),
    ("24 h, 30 min", schedule(0, 24 * 60, 30, 0, 0)),
    ("24 h, 5 min: the most there can be", schedule(0, 24 * 60, 5, 0, 0)),
)


def booked(made: Schedule) -> list[Busy]:
    """Ten a day, as far as there are so many slots."""
    chance = random.Random(1)
    slots = offered(made, FIRST, LAST)
    chosen = chance.sample(slots, min(len(slots), BOOKINGS_A_DAY * HORIZON_DAYS))
    return sorted((Busy(slot.starts_at, slot.ends_at, made.break_mins) for slot in chosen), key=lambda b: b.starts_at)


def left(made: Schedule, busy: list[Busy]) -> list[Slot]:
    return free(only_open(offered(made, FIRST, LAST), ZONE, NOW), made.break_mins, busy)


def answer(made: Schedule, busy: list[Busy]) -> bytes:
    return codec.encode(SlotList(time_zone=ZONE, slots=slot_answers(left(made, busy))))


def milliseconds(work: Callable[[], object], rounds: int) -> float:
    taken = []
    for _ in range(rounds):
        started = time.process_time()
        work()
        taken.append(time.process_time() - started)
    return statistics.median(taken) * 1000


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.slots", description=__doc__)
    parser.add_argument("--rounds", type=int, default=50)
    rounds = parser.parse_args().rounds
    print(f"{'':40}{'offered':>9}{'free':>7}{'rules, ms':>11}{'answer, ms':>12}{'one start, ms':>15}")
    for name, made in CASES:
        busy = booked(made)
        slots, found = offered(made, FIRST, LAST), left(made, busy)
        some = slots[len(slots) // 2].starts_at
        works = partial(left, made, busy), partial(answer, made, busy), partial(at, made, some)
        figures = [milliseconds(work, rounds) for work in works]
        print(f"{name:40}{len(slots):>9}{len(found):>7}{figures[0]:>11.2f}{figures[1]:>12.2f}{figures[2]:>15.3f}")


if __name__ == "__main__":
    main()
