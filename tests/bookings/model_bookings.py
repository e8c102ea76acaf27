"""A booking and a trainer as the model of the state machine knows them; slots are counted out minute by minute."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import msgspec

from domain.availability import Absence, Schedule
from tests.domain.minutes import count_out

DAY = timedelta(days=1)
GRACE = timedelta(minutes=15)
NOTICE = {"ALWAYS_FREE": timedelta(), "UPTO12HR": timedelta(hours=12), "UPTO24HR": timedelta(hours=24)}
# How far ahead of a trainer's today the machine books.
AHEAD = 9

# Numbers of a client and of a trainer.
Pair = tuple[int, int]


@dataclass
class ModelBooking:
    id: str
    client: int
    trainer: int
    start: datetime
    end: datetime
    break_mins: int
    zone: str
    policy: str
    paid_with: str
    status: str = "confirmed"
    cancelled_by: str | None = None
    version: int = 1
    # A trial that came back counts nowhere any more.
    returned: bool = False

    @property
    def pair(self) -> Pair:
        return self.client, self.trainer

    @property
    def occupies(self) -> bool:
        return self.status != "cancelled"

    @property
    def until(self) -> datetime:
        """When the trainer is free again."""
        return self.end + timedelta(minutes=self.break_mins)

    @property
    def deadline(self) -> datetime:
        """Until when (inclusive) the client has it free."""
        return self.start - NOTICE[self.policy]

    @property
    def edges(self) -> tuple[datetime, ...]:
        """The instants at which something about it changes."""
        return self.deadline, self.start, self.end, self.end + GRACE, self.end + DAY

    @property
    def week(self) -> str:
        year, week, _ = self.start.astimezone(ZoneInfo(self.zone)).isocalendar()
        return f"{year}-W{week:02d}"


@dataclass
class Shop:
    """A trainer; ``away``: exceptions by their id."""

    week: Schedule
    away: dict[str, Absence] = field(default_factory=dict)
    policy: str = "ALWAYS_FREE"
    free_trial: bool = False
    trials: int = 0

    @property
    def schedule(self) -> Schedule:
        return msgspec.structs.replace(self.week, absences=tuple(self.away.values()))

    def today(self, now: datetime) -> date:
        return now.astimezone(ZoneInfo(self.week.time_zone)).date()

    def offer(self, now: datetime) -> dict[datetime, datetime]:
        """Starts and ends around now, bookings aside."""
        today = self.today(now)
        # A week's days are counted out once: that is most of what a run of the machine costs.
        return _offer(self.schedule, today - today.weekday() * DAY)


@lru_cache(maxsize=512)
def _offer(schedule: Schedule, monday: date) -> dict[datetime, datetime]:
    """Of any day of the week, two days back and a little further ahead than the machine books."""
    return dict(count_out(schedule, monday - 2 * DAY, monday + (6 + AHEAD + 2) * DAY))
