"""What pushes say: pure composition, one function a push."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec

from domain.bookings import Action, Booking
from domain.messages import MessageRecord
from domain.notifications import KindName
from domain.payments import PaymentAction, in_words

# A lock screen shows less.
MAX_TITLE, MAX_BODY = 80, 200


class Push(msgspec.Struct, frozen=True, kw_only=True):
    """``id``: the same for each try. ``collapse_key``: a newer one takes the place of an older. Without ``title`` and
    ``body`` it is silent: for the app, not for its owner. ``badge``: unread messages. ``data`` is text, for the app.
    """

    id: UUID
    token: str
    collapse_key: str
    title: str = ""
    body: str = ""
    badge: int | None = None
    thread: str = ""
    data: Mapping[str, str]
    ends_at: datetime

    @property
    def silent(self) -> bool:
        return not (self.title or self.body)


def push_id(*parts: object) -> UUID:
    """Of one event on one device, whoever sends it and however often."""
    return UUID(bytes=sha256(repr(parts).encode()).digest()[:16], version=4)


_SAID: dict[Action, str] = {
    "created": "Session booked",
    "confirmed": "Session booked",
    "rescheduled": "Session moved",
    "cancelled": "Session cancelled",
}


_PAYMENTS: dict[PaymentAction, str] = {
    "paid": "Paid",
    "refunded": "Refunded",
    "disputed": "Disputed",
    "dispute_won": "Dispute won",
    "dispute_lost": "Dispute lost",
}


def kind_of(record: MessageRecord) -> KindName | None:
    """As what an entry of the log is notified; nothing of what concerns nobody at once."""
    if record.payment is not None:
        return "payment"
    if record.booking is None:
        return "message"
    return "booking" if record.booking.action in _SAID and record.booking.status != "held" else None


def words_of(record: MessageRecord, time_zone: str | None) -> str:
    if (booking := record.booking) is not None:
        return f"{_SAID[booking.action]}: {_when(booking.starts_at, time_zone)}"
    if (payment := record.payment) is not None:
        return f"{_PAYMENTS[payment.action]}: {in_words(abs(payment.amount), payment.currency)}"
    if record.text:
        return _cut(record.text, MAX_BODY)
    if record.image_urls:
        return "Photo"
    return "Video" if record.video_urls else "Document"


def reminder_words(booking: Booking, hours: int, time_zone: str | None) -> str:
    soon = "tomorrow" if hours == 24 else "in an hour"
    return f"Your session begins {soon}: {_when(booking.starts_at, time_zone or booking.time_zone)}"


def title_of(name: str) -> str:
    return _cut(name, MAX_TITLE) or "Spotter"


def _when(at: datetime, time_zone: str | None) -> str:
    local = at.astimezone(ZoneInfo(time_zone or "UTC"))
    return f"{local:%A}, {local.day} {local:%B}, {local:%H:%M}{'' if time_zone else ' UTC'}"


def _cut(text: str, most: int) -> str:
    words = " ".join(text.split())
    return words if len(words) <= most else words[: most - 1].rstrip() + "\u2026"
