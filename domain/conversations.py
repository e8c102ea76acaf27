"""Conversations: who may have one, and how it looks to one of its participants."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Iterable, Mapping
from datetime import datetime
from hashlib import blake2b

import msgspec

from domain.accounts import ADMINISTRATORS, Role
from domain.messages import Message

# Unread counts stop here, in the wire contract.
UNREAD_CAP = 100


class Membership(msgspec.Struct, frozen=True):
    """What never changes about a conversation: its two people and the ids of their participant records.

    ``begun`` is false of one that had no entry when it was looked up: only its opener sees it, and it grants nothing.
    """

    conversation_id: str
    user_ids: tuple[str, str]
    participant_ids: tuple[str, str]
    begun: bool = True

    def other(self, user_id: str) -> str:
        first, second = self.user_ids
        return second if user_id == first else first

    def participant_of(self, user_id: str) -> str:
        return self.participant_ids[self.user_ids.index(user_id)]


class ParticipantRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the ConversationParticipant table, with the watermarks."""

    id: str
    conversation_id: str
    user_id: str
    seen_seq: int = 0
    delivered_seq: int = 0
    muted_until: datetime | None = None
    updated_at: datetime


class ConversationRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the Conversation table; ``head``, ``last_message`` and ``updated_at`` are projections."""

    membership: Membership
    head: int = 0
    last_message: str | None = None
    created_at: datetime
    updated_at: datetime


class UserSummary(msgspec.Struct, frozen=True, kw_only=True):
    """What the other side of a conversation may know of a user."""

    user_id: str
    role: Role
    profile_id: str
    name: str
    profile_image: str | None


class Participant(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    id: str
    user_id: str
    role: Role
    profile_id: str
    name: str
    profile_image: str | None = msgspec.field(name="profile_image")
    seen_seq: int
    delivered_seq: int


class Conversation(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A conversation on the wire, as one of its participants sees it."""

    id: str
    participants: tuple[Participant, ...]
    last_message: Message | None
    head: int
    unread: int
    muted_until: str | None
    created_at: str
    updated_at: str


def state_of(viewer_id: str, people: Iterable[ParticipantRecord], cards: Mapping[str, UserSummary]) -> str:
    """Stands for all that the viewer sees of a conversation but its entries: equal as long as nothing of it changed.

    Pictures count by their ids: that a signed address runs out is no change.
    """
    seen = [
        (
            one.id, one.user_id, one.seen_seq, one.delivered_seq, cards.get(one.user_id),
            one.muted_until if one.user_id == viewer_id else None,
        )
        for one in sorted(people, key=lambda one: one.id)
    ]  # fmt: skip
    digest = blake2b(msgspec.json.encode(seen), digest_size=12, person=b"state").digest()
    return urlsafe_b64encode(digest).decode()


def may_open(opener: Role, other: Role) -> bool:
    """Client with trainer, or an administrator with anyone."""
    if opener in ADMINISTRATORS or other in ADMINISTRATORS:
        return opener in ADMINISTRATORS
    return opener != other


def pair_key(one: str, other: str) -> str:
    """The same for both orders: there is one conversation a pair."""
    return f"{one}:{other}" if one < other else f"{other}:{one}"
