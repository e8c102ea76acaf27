"""What the server sends to clients unasked, typed; each event carries its name and its namespace."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from domain.bookings import Action, Party
from domain.conversations import Conversation
from domain.errors import Code
from domain.messages import ChangeKind, Message
from domain.presence import PublicStatus
from domain.sessions import PublicReason
from domain.wire.availability import SlotAnswer
from domain.wire.bookings import BookingAnswer

CONVERSATIONS = "/conversations"
PRESENCE = "/presence"
BOOKINGS = "/bookings"
NAMESPACES = (CONVERSATIONS, PRESENCE, BOOKINGS)


class Event(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """``everywhere``: about the connection itself, sent in any namespace."""

    name: ClassVar[str]
    namespace: ClassVar[str] = CONVERSATIONS
    everywhere: ClassVar[bool] = False


class MessageNew(Event, frozen=True, kw_only=True):
    name: ClassVar[str] = "message:new"
    conversation_id: str
    seq: int
    message: Message


class MessageUpdated(Event, frozen=True, kw_only=True):
    name: ClassVar[str] = "message:updated"
    conversation_id: str
    seq: int
    change: ChangeKind
    message: Message


class ConversationNew(Event, frozen=True, kw_only=True):
    name: ClassVar[str] = "conversation:new"
    conversation: Conversation


class ConversationSeen(Event, frozen=True, kw_only=True):
    name: ClassVar[str] = "conversation:seen"
    conversation_id: str
    user_id: str
    seq: int


class ConversationDelivered(Event, frozen=True, kw_only=True):
    name: ClassVar[str] = "conversation:delivered"
    conversation_id: str
    user_id: str
    seq: int


class ConversationMuted(Event, frozen=True, kw_only=True):
    """To the devices of whoever muted it, or, with null, unmuted it."""

    name: ClassVar[str] = "conversation:muted"
    conversation_id: str
    muted_until: str | None


class TypingChanged(Event, frozen=True, kw_only=True):
    name: ClassVar[str] = "typing"
    conversation_id: str
    user_id: str
    active: bool


class SyncRequired(Event, frozen=True, kw_only=True):
    """Live delivery was interrupted: sync."""

    name: ClassVar[str] = "sync:required"


class AuthExpiring(Event, frozen=True, kw_only=True):
    """Sent on each connected namespace a minute before its access token ends."""

    name: ClassVar[str] = "auth:expiring"
    everywhere: ClassVar[bool] = True
    expires_at: str


class AuthExpired(Event, frozen=True, kw_only=True):
    """The access token has ended, and nobody renewed it: the last event before the socket is closed."""

    name: ClassVar[str] = "auth:expired"
    everywhere: ClassVar[bool] = True


class ConnectionFault(Event, frozen=True, kw_only=True):
    """What the client sent ends the socket; the last event before it is closed."""

    name: ClassVar[str] = "connection:error"
    everywhere: ClassVar[bool] = True
    code: Code
    message: str


class SessionRevoked(Event, frozen=True, kw_only=True):
    """The last event before the socket is closed: the tokens are worth nothing any more."""

    name: ClassVar[str] = "session:revoked"
    everywhere: ClassVar[bool] = True
    reason: PublicReason


class PresenceChanged(Event, frozen=True, kw_only=True):
    """``last_seen_at`` is null for whoever is there now."""

    name: ClassVar[str] = "presence:changed"
    namespace: ClassVar[str] = PRESENCE
    user_id: str
    status: PublicStatus
    last_seen_at: str | None


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


class BookingsSyncRequired(Event, frozen=True, kw_only=True):
    """Something may have been missed here: ask what changed."""

    name: ClassVar[str] = "sync:required"
    namespace: ClassVar[str] = BOOKINGS


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
    """To those who watch the trainer's slots: of the days that they watch, no others. Take out what is removed, then
    put in what is added, each slot once by its ``startsAt`` and ``endsAt``: what is removed need not have been known,
    and what is added may be known already."""

    name: ClassVar[str] = "slots:changed"
    namespace: ClassVar[str] = BOOKINGS
    trainer_id: str
    added: list[SlotAnswer]
    removed: list[SlotAnswer]


def events_of(namespace: str) -> tuple[type[Event], ...]:
    """All that clients of a namespace may be sent, in the order in which the types are written."""
    return tuple(kind for kind in _kinds(Event) if kind.everywhere or kind.namespace == namespace)


def _kinds(parent: type[Event]) -> list[type[Event]]:
    found = [parent] if "name" in vars(parent) else []
    return found + [kind for child in parent.__subclasses__() for kind in _kinds(child)]
