"""The commands of the state machine: how each is sent, and what the model makes of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any, ClassVar, Protocol

from domain.availability import Absence, Schedule, time_of
from domain.times import to_wire
from tests.bookings.market import Answer, Data
from tests.bookings.model import Actor, BookingModel

OFF_GRID = timedelta(minutes=5)


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    body: Any
    actor: Actor


class Order(Protocol):
    """``keyed``: it goes with an idempotency key."""

    keyed: ClassVar[bool]

    def request(self, profiles: list[str]) -> Request:
        """``profiles``: the trainers' ids."""

    def happen(self, trade: BookingModel, answer: Data) -> Data:
        """What the answer has to say; raises ``Refusal``."""


@dataclass(frozen=True)
class Book:
    client: int
    trainer: int
    start: datetime
    pay_with: str
    keyed: ClassVar[bool] = True

    def request(self, profiles: list[str]) -> Request:
        body = {"trainerId": profiles[self.trainer], "startsAt": to_wire(self.start), "payWith": self.pay_with}
        return Request("POST", "/bookings", body, ("client", self.client))

    def happen(self, trade: BookingModel, answer: Data) -> Data:
        # A refusal has no id.
        booking_id = answer.get("id", "refused")
        trade.book(self.client, self.trainer, self.start, self.pay_with, booking_id)
        return _said(trade, booking_id)

    def otherwise(self) -> Book:
        """The same with another body."""
        return replace(self, start=self.start + OFF_GRID)


@dataclass(frozen=True)
class Cancel:
    booking_id: str
    actor: Actor
    keyed: ClassVar[bool] = True

    def request(self, profiles: list[str]) -> Request:
        return Request("POST", f"/bookings/{self.booking_id}/cancel", {}, self.actor)

    def happen(self, trade: BookingModel, answer: Data) -> Data:
        trade.cancel(self.booking_id, self.actor)
        return _said(trade, self.booking_id)


@dataclass(frozen=True)
class Move:
    booking_id: str
    actor: Actor
    start: datetime
    keyed: ClassVar[bool] = True

    def request(self, profiles: list[str]) -> Request:
        return Request("POST", f"/bookings/{self.booking_id}/reschedule", {"startsAt": to_wire(self.start)}, self.actor)

    def happen(self, trade: BookingModel, answer: Data) -> Data:
        trade.move(self.booking_id, self.actor, self.start)
        return _said(trade, self.booking_id)

    def otherwise(self) -> Move:
        return replace(self, start=self.start + OFF_GRID)


@dataclass(frozen=True)
class NoShow:
    booking_id: str
    actor: Actor
    keyed: ClassVar[bool] = True

    def request(self, profiles: list[str]) -> Request:
        return Request("POST", f"/bookings/{self.booking_id}/no-show", {}, self.actor)

    def happen(self, trade: BookingModel, answer: Data) -> Data:
        trade.report_no_show(self.booking_id, self.actor)
        return _said(trade, self.booking_id)


@dataclass(frozen=True)
class SetWeek:
    trainer: int
    week: Schedule
    keyed: ClassVar[bool] = False

    def request(self, profiles: list[str]) -> Request:
        days = [
            {"day": w.day, "startTime": time_of(w.start), "endTime": time_of(w.end), "isAvailable": True}
            for w in self.week.windows
        ]
        body = {
            "timeZone": self.week.time_zone,
            "sessionDurationInMins": self.week.duration,
            "breakBetweenSessionMins": self.week.break_mins,
            "days": days,
        }
        return Request("PUT", "/me/availability", body, ("trainer", self.trainer))

    def happen(self, trade: BookingModel, answer: Data) -> Data:
        trade.set_week(self.trainer, self.week)
        return {"timeZone": self.week.time_zone}


@dataclass(frozen=True)
class TakeOff:
    trainer: int
    day: date
    span: tuple[int, int] | None
    keyed: ClassVar[bool] = False

    def request(self, profiles: list[str]) -> Request:
        body = {"date": self.day.isoformat()}
        if self.span is not None:
            body |= {"startTime": time_of(self.span[0]), "endTime": time_of(self.span[1])}
        return Request("POST", "/me/availability/exceptions", body, ("trainer", self.trainer))

    def happen(self, trade: BookingModel, answer: Data) -> Data:
        start, end = self.span or (None, None)
        trade.take_off(self.trainer, answer.get("id", "refused"), Absence(date=self.day, start=start, end=end))
        return {"date": self.day.isoformat()}


@dataclass(frozen=True)
class ComeBack:
    trainer: int
    exception_id: str
    keyed: ClassVar[bool] = False

    def request(self, profiles: list[str]) -> Request:
        return Request("DELETE", f"/me/availability/exceptions/{self.exception_id}", None, ("trainer", self.trainer))

    def happen(self, trade: BookingModel, answer: Data) -> Data:
        trade.come_back(self.trainer, self.exception_id)
        return {}


@dataclass(frozen=True)
class SetPricing:
    trainer: int
    policy: str
    free_trial: bool
    trials: int
    keyed: ClassVar[bool] = False

    def request(self, profiles: list[str]) -> Request:
        body = {
            "freeTrial": self.free_trial, "weeklyTrialLimit": self.trials, "cancelReshedulePolicy": self.policy
        }  # fmt: skip
        return Request("PUT", "/me/pricing", body, ("trainer", self.trainer))

    def happen(self, trade: BookingModel, answer: Data) -> Data:
        trade.set_pricing(self.trainer, self.policy, self.free_trial, self.trials)
        return {"cancelReshedulePolicy": self.policy}


def body_of(answer: Answer) -> Data:
    return answer.body if isinstance(answer.body, dict) else {}


def _said(trade: BookingModel, booking_id: str) -> Data:
    """As the answer tells it."""
    deal = trade.deals[booking_id]
    said = {
        "id": deal.id,
        "status": deal.status,
        "startsAt": to_wire(deal.start),
        "endsAt": to_wire(deal.end),
        "timeZone": deal.zone,
        "cancellationPolicy": deal.policy,
        "paidWith": deal.paid_with,
        "version": deal.version,
    }
    return said | ({"cancelledBy": deal.cancelled_by} if deal.cancelled_by else {})
