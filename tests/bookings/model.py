"""What becomes of bookings by the contract alone, in plain Python."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import combinations
from zoneinfo import ZoneInfo

from domain.availability import Absence, Schedule
from domain.errors import Code
from tests.bookings.model_bookings import AHEAD, DAY, GRACE, ModelBooking, Pair, Shop

HORIZON = timedelta(days=62)

# "client", "trainer" or "admin", and the number among them.
Actor = tuple[str, int]
# Of which booking, what happened to it, from when to when it then was, and its status.
Told = tuple[str, str, datetime, datetime, str]


class Refusal(Exception):
    def __init__(self, code: Code) -> None:
        super().__init__(code)
        self.code = code


@dataclass
class BookingModel:
    """Everything that the commands change."""

    now: datetime
    shops: list[Shop]
    deals: dict[str, ModelBooking] = field(default_factory=dict)
    ledger: dict[Pair, list[tuple[str, int, str | None]]] = field(default_factory=dict)
    # The steps in which something was told, each with what was told in it: within a step the order is open.
    log: dict[Pair, list[list[Told]]] = field(default_factory=dict)

    def begin_step(self) -> None:
        for told in self.log.values():
            told.append([])

    # --- what is so ---

    def balance(self, pair: Pair) -> int:
        return sum(amount for _, amount, _ in self.ledger.get(pair, ()))

    def trials(self) -> dict[Pair, str]:
        """Which booking was the pair's trial."""
        return {d.pair: d.id for d in self.deals.values() if d.paid_with == "trial" and not d.returned}

    def weeks(self, trainer: int) -> Counter[str]:
        """The trials of each week."""
        return Counter(self.deals[i].week for (_, of), i in self.trials().items() if of == trainer)

    def is_taken(self, trainer: int, start: datetime, end: datetime, exclude: ModelBooking | None = None) -> bool:
        until = end + timedelta(minutes=self.shops[trainer].week.break_mins)
        return any(
            d.start < until and d.until > start
            for d in self.deals.values()
            if d.trainer == trainer and d.occupies and d is not exclude
        )

    def is_engaged(self, client: int, start: datetime, end: datetime, exclude: ModelBooking | None = None) -> bool:
        return any(
            d.start < end and d.end > start
            for d in self.deals.values()
            if d.client == client and d.occupies and d is not exclude
        )

    def free(self, trainer: int) -> list[tuple[datetime, datetime]]:
        """What is offered from today on and not taken."""
        last = self.shops[trainer].today(self.now) + AHEAD * DAY
        zone = ZoneInfo(self.shops[trainer].week.time_zone)
        return [
            (start, end)
            for start, end in self.shops[trainer].offer(self.now).items()
            if self.now < start and start.astimezone(zone).date() <= last and not self.is_taken(trainer, start, end)
        ]

    def ahead(self, trainer: int) -> list[datetime]:
        """The starts of the next days that are offered, taken ones included."""
        last = self.now + AHEAD * DAY
        return [start for start in self.shops[trainer].offer(self.now) if self.now < start < last]

    # --- commands ---

    def book(self, client: int, trainer: int, start: datetime, pay_with: str, booking_id: str) -> ModelBooking:
        shop = self.shops[trainer]
        if pay_with == "trial" and not shop.free_trial:
            raise Refusal(Code.TRIAL_UNAVAILABLE)
        end = self._offered(trainer, start, None)
        self._require_client(client, start, end, None)
        pair = (client, trainer)
        if pay_with == "credit" and self.balance(pair) < 1:
            raise Refusal(Code.INSUFFICIENT_CREDIT)
        week = shop.week
        deal = ModelBooking(
            booking_id, client, trainer, start, end, week.break_mins, week.time_zone, shop.policy, pay_with
        )
        if pay_with == "trial" and (pair in self.trials() or self.weeks(trainer)[deal.week] >= shop.trials):
            raise Refusal(Code.TRIAL_UNAVAILABLE)
        self.deals[booking_id] = deal
        self._enter(deal, "consume", -1)
        self._tell(deal, "created")
        return deal

    def cancel(self, booking_id: str, actor: Actor) -> ModelBooking:
        deal, by = self._mine(booking_id, actor)
        free = self._require_changeable(deal, by)
        deal.status, deal.cancelled_by, deal.returned = "cancelled", by, free
        self._enter(deal, "return" if free else "forfeit", int(free))
        return self._changed(deal, "cancelled")

    def move(self, booking_id: str, actor: Actor, start: datetime) -> ModelBooking:
        deal, by = self._mine(booking_id, actor)
        if not self._require_changeable(deal, by):
            raise Refusal(Code.POLICY_WINDOW_PASSED)
        shop = self.shops[deal.trainer]
        end = self._offered(deal.trainer, start, deal)
        if (start, end) == (deal.start, deal.end):
            raise Refusal(Code.CONFLICT)
        self._require_client(deal.client, start, end, deal)
        moved = ModelBooking(
            deal.id, deal.client, deal.trainer, start, end, shop.week.break_mins, shop.week.time_zone, deal.policy,
            deal.paid_with, version=deal.version,
        )  # fmt: skip
        another_week = deal.paid_with == "trial" and moved.week != deal.week
        if another_week and self.weeks(deal.trainer)[moved.week] >= shop.trials:
            raise Refusal(Code.TRIAL_UNAVAILABLE)
        self.deals[deal.id] = moved
        return self._changed(moved, "rescheduled")

    def report_no_show(self, booking_id: str, actor: Actor) -> ModelBooking:
        deal, by = self._mine(booking_id, actor)
        if by != "trainer":
            raise Refusal(Code.FORBIDDEN)
        if deal.status not in ("confirmed", "completed") or not deal.start <= self.now <= deal.end + DAY:
            raise Refusal(Code.CONFLICT)
        if deal.status == "confirmed":
            self._enter(deal, "forfeit", 0)
        deal.status = "no_show"
        return self._changed(deal, "no_show")

    def pass_time(self, until: datetime) -> None:
        self.now = until
        for deal in self.deals.values():
            if deal.status == "confirmed" and deal.end + GRACE <= until:
                deal.status = "completed"
                self._enter(deal, "spend", 0)
                self._changed(deal, "completed")

    def grant(self, pair: Pair, credits: int) -> None:
        self.ledger.setdefault(pair, []).append(("grant", credits, None))

    # --- schedules; bookings stay as they are ---

    def set_week(self, trainer: int, week: Schedule) -> None:
        if any(
            one.day == other.day and one.start < other.end and other.start < one.end
            for one, other in combinations(week.windows, 2)
        ):
            raise Refusal(Code.VALIDATION_FAILED)
        self.shops[trainer].week = week

    def take_off(self, trainer: int, exception_id: str, absence: Absence) -> None:
        if absence.date < self.shops[trainer].today(self.now):
            raise Refusal(Code.VALIDATION_FAILED)
        self.shops[trainer].away[exception_id] = absence

    def come_back(self, trainer: int, exception_id: str) -> None:
        if self.shops[trainer].away.pop(exception_id, None) is None:
            raise Refusal(Code.NOT_FOUND)

    def set_pricing(self, trainer: int, policy: str, free_trial: bool, trials: int) -> None:
        if free_trial and trials < 1:
            raise Refusal(Code.VALIDATION_FAILED)
        shop = self.shops[trainer]
        shop.policy, shop.free_trial, shop.trials = policy, free_trial, trials

    # --- rules ---

    def _mine(self, booking_id: str, actor: Actor) -> tuple[ModelBooking, str]:
        deal = self.deals[booking_id]
        if actor not in (("client", deal.client), ("trainer", deal.trainer)) and actor[0] != "admin":
            raise Refusal(Code.NOT_FOUND)
        return deal, actor[0]

    def _require_changeable(self, deal: ModelBooking, by: str) -> bool:
        """Whether it is free."""
        if deal.status != "confirmed" or self.now > deal.start:
            raise Refusal(Code.CONFLICT)
        return by != "client" or self.now <= deal.deadline

    def _offered(self, trainer: int, start: datetime, exclude: ModelBooking | None) -> datetime:
        """The end of the slot."""
        shop = self.shops[trainer]
        end = shop.offer(self.now).get(start)
        day = start.astimezone(ZoneInfo(shop.week.time_zone)).date()
        if end is None or start <= self.now or day > shop.today(self.now) + HORIZON:
            raise Refusal(Code.SLOT_UNAVAILABLE)
        if self.is_taken(trainer, start, end, exclude):
            raise Refusal(Code.SLOT_TAKEN)
        return end

    def _require_client(self, client: int, start: datetime, end: datetime, exclude: ModelBooking | None) -> None:
        if self.is_engaged(client, start, end, exclude):
            raise Refusal(Code.OWN_CONFLICT)

    def _enter(self, deal: ModelBooking, kind: str, amount: int) -> None:
        if deal.paid_with == "credit":
            self.ledger.setdefault(deal.pair, []).append((kind, amount, deal.id))

    def _changed(self, deal: ModelBooking, action: str) -> ModelBooking:
        deal.version += 1
        self._tell(deal, action)
        return deal

    def _tell(self, deal: ModelBooking, action: str) -> None:
        told = self.log.setdefault(deal.pair, [[]])
        told[-1].append((deal.id, action, deal.start, deal.end, deal.status))
