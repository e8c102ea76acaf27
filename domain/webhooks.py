"""What other systems are told by outbound webhooks: an event once a change, by ids and by what was booked or paid.

No event has a name, an address, a text or anything else that somebody wrote.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Any, Literal, get_args

import msgspec

from domain.accounts import User
from domain.booking_changes import BookingChange
from domain.catalogue import Review
from domain.payments import PaymentAction, PaymentNotice, Transaction
from domain.times import to_wire, to_wire_or_none

EventType = Literal[
    "booking.created", "booking.confirmed", "booking.rescheduled", "booking.cancelled", "booking.completed",
    "booking.expired", "booking.no_show",
    "payment.paid", "payment.refunded", "dispute.opened", "dispute.closed",
    "review.created",
    "user.registered", "user.erased",
]  # fmt: skip
EVENT_TYPES: tuple[EventType, ...] = get_args(EventType)
# Each endpoint has a queue of durable work to itself, so that none holds another up.
MAX_ENDPOINTS = 10
# Of one endpoint, what waits and what was given up together; beyond that nothing new is kept for it.
MAX_KEPT = 20_000
# What was not taken by then is forgotten, and whatever it was that failed.
KEPT_FOR = timedelta(days=30)
# After a rotation the secret before it signs as well, for so long.
OVERLAP = timedelta(hours=24)

FailureReason = Literal["status", "redirect", "timeout", "unreachable", "tls", "private_address"]


class Failure(msgspec.Struct, frozen=True):
    """Why a delivery was not taken; ``status``: of the answer, where there was one."""

    reason: FailureReason
    status: int | None = None


class LastFailure(msgspec.Struct, frozen=True):
    failure: Failure
    at: datetime


class WebhookEndpoint(msgspec.Struct, frozen=True, kw_only=True):
    """``queue_number``: its own among the endpoints. ``generation``: of its secret, which is kept nowhere.

    ``failures``: of its deliveries in a row, whichever they were.
    """

    id: str
    queue_number: int
    url: str
    events: tuple[EventType, ...]
    is_active: bool = True
    generation: int = 1
    rotated_at: datetime | None = None
    failures: int = 0
    last_failure: LastFailure | None = None
    created_at: datetime
    updated_at: datetime

    def wants(self, kind: EventType) -> bool:
        return self.is_active and kind in self.events

    def former_secret_until(self, now: datetime) -> datetime | None:
        """Nothing where the present secret alone signs."""
        if self.rotated_at is None or now >= self.rotated_at + OVERLAP:
            return None
        return self.rotated_at + OVERLAP


class WebhookEvent(msgspec.Struct, frozen=True, kw_only=True):
    """``effect`` names what happened and happens once."""

    type: EventType
    effect: str
    at: datetime
    data: dict[str, Any]

    @property
    def id(self) -> str:
        """The same for all who receive it, however often it is sent."""
        return "evt_" + blake2b(f"{self.type} {self.effect}".encode(), digest_size=16).hexdigest()

    @property
    def body(self) -> str:
        said = {"type": self.type, "timestamp": to_wire(self.at), "data": self.data}
        return msgspec.json.encode(said).decode()


def in_order(events: tuple[EventType, ...]) -> tuple[EventType, ...]:
    """Each once."""
    return tuple(kind for kind in EVENT_TYPES if kind in events)


OF_PAYMENT: dict[PaymentAction, EventType] = {
    "paid": "payment.paid",
    "refunded": "payment.refunded",
    "disputed": "dispute.opened",
    "dispute_won": "dispute.closed",
    "dispute_lost": "dispute.closed",
}
OF_BOOKING: dict[str, EventType] = {
    kind.partition(".")[2]: kind for kind in EVENT_TYPES if kind.startswith("booking.")
}


def of_booking(change: BookingChange) -> WebhookEvent:
    booking = change.booking
    data: dict[str, Any] = {
        "id": booking.id,
        "version": booking.version,
        "status": booking.status,
        "startsAt": to_wire(booking.starts_at),
        "endsAt": to_wire(booking.ends_at),
        "timeZone": booking.time_zone,
        "paidWith": booking.paid_with,
        "heldUntil": to_wire_or_none(booking.held_until),
        "by": change.by,
        "client": {"id": booking.client_id, "userId": booking.client_user_id},
        "trainer": {"id": booking.trainer_id, "userId": booking.trainer_user_id},
    }
    if change.action == "rescheduled" and change.was is not None:
        data["previousStartsAt"] = to_wire(change.was.starts_at)
    return WebhookEvent(type=OF_BOOKING[change.action], effect=change.effect, at=booking.updated_at, data=data)


def of_payment(notice: PaymentNotice, transaction: Transaction) -> WebhookEvent:
    """``amount`` and ``credits``: what was paid, given back or is disputed, not what the payment was in all."""
    data: dict[str, Any] = {
        "id": transaction.id,
        "amount": notice.amount,
        "currency": notice.currency,
        "credits": notice.credits,
        "bookingId": transaction.booking_id,
        "client": {"id": transaction.client_id, "userId": transaction.client_user_id},
        "trainer": {"id": transaction.trainer_id, "userId": transaction.trainer_user_id},
    }
    if notice.action in ("dispute_won", "dispute_lost"):
        data["outcome"] = notice.action.removeprefix("dispute_")
    return WebhookEvent(type=OF_PAYMENT[notice.action], effect=notice.effect, at=notice.at, data=data)


def of_review(review: Review) -> WebhookEvent:
    """Without its words."""
    data = {
        "id": review.id,
        "bookingId": review.booking_id,
        "rating": review.rating,
        "client": {"id": review.client_id},
        "trainer": {"id": review.trainer_id},
    }
    return WebhookEvent(type="review.created", effect=f"review:{review.id}", at=review.created_at, data=data)


def of_user(kind: Literal["user.registered", "user.erased"], user: User, now: datetime) -> WebhookEvent:
    data = {"id": user.id, "role": user.role, "profileId": user.profile_id}
    return WebhookEvent(type=kind, effect=f"user:{user.id}", at=now, data=data)
