"""What the server tells clients, typed; each event knows its name and its namespace."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from domain.conversations import Conversation
from domain.messages import ChangeKind, Message
from domain.presence import PublicStatus

CONVERSATIONS = "/conversations"
PRESENCE = "/presence"
BOOKINGS = "/bookings"
NAMESPACES = (CONVERSATIONS, PRESENCE, BOOKINGS)


class Event(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    name: ClassVar[str]
    namespace: ClassVar[str] = CONVERSATIONS


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
    expires_at: str


class SessionRevoked(Event, frozen=True, kw_only=True):
    """The last event before the socket is closed."""

    name: ClassVar[str] = "session:revoked"
    reason: str


class PresenceChanged(Event, frozen=True, kw_only=True):
    """``last_seen_at`` is null for whoever is there now."""

    name: ClassVar[str] = "presence:changed"
    namespace: ClassVar[str] = PRESENCE
    user_id: str
    status: PublicStatus
    last_seen_at: str | None
