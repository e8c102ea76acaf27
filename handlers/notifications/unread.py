"""What somebody has not read, of the conversations that may make a sound."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from domain.conversations import ParticipantRecord
from handlers.context import ReadContext
from handlers.messages import views


@dataclass(frozen=True, slots=True)
class Unread:
    """By conversation: one's own side, its head, and how many messages are unread, of which at most 100 count."""

    sides: dict[str, ParticipantRecord]
    heads: dict[str, int]
    counts: dict[str, int]

    @property
    def total(self) -> int:
        return sum(self.counts.values())


async def unread_of(context: ReadContext, user_id: str, now: datetime) -> Unread:
    """Of the conversations that are not muted; those without unread messages are left out."""
    mine = {
        one.conversation_id: one
        for one in await context.store.conversations.own_participants(user_id)
        if not is_muted(one, now)
    }
    heads = await context.store.log.read.heads(mine)
    behind = {i: one for i, one in mine.items() if heads[i] > one.seen_seq}
    counts = await views.unread_counts(context, user_id, {i: [one] for i, one in behind.items()}, heads)
    return Unread(
        {i: one for i, one in behind.items() if counts.get(i)},
        {i: heads[i] for i in behind if counts.get(i)},
        {i: count for i, count in counts.items() if count},
    )


def is_muted(side: ParticipantRecord, now: datetime) -> bool:
    return side.muted_until is not None and side.muted_until > now
