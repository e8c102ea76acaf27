"""What commands answer, where that is more than a record."""

from __future__ import annotations

from typing import Literal

import msgspec

from domain.conversations import Conversation
from domain.messages import Message
from domain.presence import PublicStatus


class Answer(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The base of every answer."""


class ConversationAnswer(Answer, frozen=True, kw_only=True):
    conversation: Conversation


class ConversationPage(Answer, frozen=True, kw_only=True):
    items: list[Conversation]
    next_cursor: str | None


class MessageAnswer(Answer, frozen=True, kw_only=True):
    message: Message


class MessageList(Answer, frozen=True, kw_only=True):
    messages: list[Message]
    has_more: bool


class MessagePage(Answer, frozen=True, kw_only=True):
    items: list[Message]
    next_cursor: str | None


class LogEntry(Answer, frozen=True, kw_only=True):
    """One entry of a conversation's log: a message, or a change with its target as it now stands."""

    seq: int
    change: Literal["new", "edit", "delete", "reaction"]
    message: Message


class SyncedConversation(Answer, frozen=True, kw_only=True):
    """``reset``: forget what was held of this conversation; these are its newest messages."""

    conversation: Conversation
    entries: list[LogEntry]
    cursor: int
    has_more: bool
    reset: bool | msgspec.UnsetType = msgspec.UNSET


class SyncAnswer(Answer, frozen=True, kw_only=True):
    conversations: list[SyncedConversation]
    has_more: bool


class Presence(Answer, frozen=True, kw_only=True):
    """``last_seen_at`` is null for whoever is there now, and for whoever was never seen."""

    user_id: str
    status: PublicStatus
    last_seen_at: str | None


class PresenceList(Answer, frozen=True, kw_only=True):
    presences: list[Presence]
