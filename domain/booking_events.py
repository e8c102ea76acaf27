"""What is told on ``/bookings``."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from domain.booking_answers import BookingAnswer
from domain.bookings import Action, Party
from domain.events import BOOKINGS, Event
from domain.slot_answers import SlotAnswer


class BookingEvent(Event, frozen=True, kw_only=True):
    """``by``: who did it; absent for what time did."""

    namespace: ClassVar[str] = BOOKINGS
    booking: BookingAnswer
    by: Party | msgspec.UnsetType = msgspec.UNSET


class BookingCreated(BookingEvent, frozen=True, kw_only=True):
    """On a hold, or on a direct confirmation."""

    name: ClassVar[str] = "booking:created"


class BookingConfirmed(BookingEvent, frozen=True, kw_only=True):
    """A hold was paid."""

    name: ClassVar[str] = "booking:confirmed"


class BookingRescheduled(BookingEvent, frozen=True, kw_only=True):
    name: ClassVar[str] = "booking:rescheduled"


class BookingCancelled(BookingEvent, frozen=True, kw_only=True):
    name: ClassVar[str] = "booking:cancelled"


class BookingCompleted(BookingEvent, frozen=True, kw_only=True):
    name: ClassVar[str] = "booking:completed"


class BookingExpired(BookingEvent, frozen=True, kw_only=True):
    name: ClassVar[str] = "booking:expired"


class BookingNoShow(BookingEvent, frozen=True, kw_only=True):
    name: ClassVar[str] = "booking:no_show"


class BookingReminder(BookingEvent, frozen=True, kw_only=True):
    name: ClassVar[str] = "booking:reminder"


OF_ACTION: dict[Action, type[BookingEvent]] = {
    "created": BookingCreated,
    "confirmed": BookingConfirmed,
    "rescheduled": BookingRescheduled,
    "cancelled": BookingCancelled,
    "completed": BookingCompleted,
    "expired": BookingExpired,
    "no_show": BookingNoShow,
}


class CreditChanged(Event, frozen=True, kw_only=True):
    """To the client; of two the one with the higher ``version`` holds."""

    name: ClassVar[str] = "credit:changed"
    namespace: ClassVar[str] = BOOKINGS
    trainer_id: str
    amount_of_credit: int
    version: int


class SlotsChanged(Event, frozen=True, kw_only=True):
    """To those who watch the trainer's slots; any of the next 62 days."""

    name: ClassVar[str] = "slots:changed"
    namespace: ClassVar[str] = BOOKINGS
    trainer_id: str
    added: list[SlotAnswer]
    removed: list[SlotAnswer]
