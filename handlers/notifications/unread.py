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


# What a badge counts: messages of so many conversations, those with the newest entries; so many at most. Reading is
# done when that many are found.
BADGE_CONVERSATIONS, MAX_BADGE = 200, 999
_AT_ONCE = 50


async def badge_of(context: ReadContext, side: ParticipantRecord, now: datetime) -> int:
    """The unread messages of somebody to whom a push of this conversation goes; it is read again for each push, so that
    it must not grow with everything that was ever said."""
    found = await context.store.conversations.newest_behind(side.user_id, BADGE_CONVERSATIONS)
    behind = [one for one in found if not is_muted(one, now) and one.conversation_id != side.conversation_id]
    if not is_muted(side, now):
        # Its projection may be late.
        behind.insert(0, side)
    total = 0
    for start in range(0, len(behind), _AT_ONCE):
        part = {one.conversation_id: [one] for one in behind[start : start + _AT_ONCE]}
        heads = await context.store.log.read.heads(part)
        total += sum((await views.unread_counts(context, side.user_id, part, heads)).values())
        if total >= MAX_BADGE:
            break
    return min(total, MAX_BADGE)


def is_muted(side: ParticipantRecord, now: datetime) -> bool:
    return side.muted_until is not None and side.muted_until > now
