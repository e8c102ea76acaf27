"""Entries that live delivery missed, as the events they would have been.

What a node that died left half done is finished by any other.

What a dead node committed and may not have told anybody, nor shown in its conversations.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from domain import rooms
from domain.wire.events import ConversationNew, MessageNew, MessageUpdated
from handlers.context import Context
from handlers.messages import views
from store.log.reader import CommitTime


@dataclass(frozen=True, slots=True)
class Missed:
    conversation_id: str
    seq: int
    event: MessageNew | MessageUpdated


async def missed(context: Context, spans: Mapping[str, tuple[int, int]], limit: int) -> list[Missed]:
    """At most ``limit`` entries past each span's start, up to and including its end, in order of ``seq``."""
    entries = await context.store.log.read.between(spans, limit)
    messages = await views.seen_messages(context, [entry.record for entry in entries])
    found = []
    for entry, message in zip(entries, messages, strict=True):
        event: MessageNew | MessageUpdated
        if entry.change is None:
            event = MessageNew(conversation_id=entry.conversation_id, seq=entry.seq, message=message)
        else:
            event = MessageUpdated(
                conversation_id=entry.conversation_id, seq=entry.seq, change=entry.change.kind, message=message
            )
        found.append(Missed(entry.conversation_id, entry.seq, event))
    return found


async def heads(context: Context, conversation_ids: Iterable[str]) -> dict[str, int]:
    found = await context.store.log.read.heads(conversation_ids)
    for conversation_id, head in found.items():
        # Whoever answers what was missed need not lose a race to learn of it.
        context.store.log.heard(conversation_id, head)
    return found


async def commit_time(context: Context) -> CommitTime:
    """The cluster time up to which a majority has committed, at some moment of this call."""
    return await context.store.log.read.commit_time()


async def head_at(context: Context, conversation_id: str, at: CommitTime) -> int | None:
    """The head at a commit time; None when MongoDB's history does not go back so far."""
    return await context.store.log.read.head_at(conversation_id, at)


async def introductions(context: Context, conversation_id: str) -> dict[str, ConversationNew]:
    """What each side's room is told before a conversation's first entry."""
    records = list((await context.store.conversations.records([conversation_id])).values())
    return {
        rooms.user(user_id): ConversationNew(conversation=view)
        for record in records
        for user_id in record.membership.user_ids
        for view in await views.conversation_views(context, user_id, [record])
    }


async def redrive_changes(context: Context) -> int:
    """Apply change entries whose writer died before it did, and announce them; answers how many there were."""
    redriven = await context.store.log.redrive(context.clock())
    for change, applied in redriven:
        (message,) = await views.seen_messages(context, [applied.target])
        member = await context.store.conversations.membership(change.conversation_id, change.sender_id)
        if member is None:
            continue
        event = MessageUpdated(
            conversation_id=change.conversation_id, seq=applied.seq, change=change.kind, message=message
        )
        context.publisher.publish(event, *map(rooms.user, member.user_ids))
    return len(redriven)


# An entry's id is made when it is submitted; it may be stored until its submitter's patience ends, by a node that
# had a lease until then. And clocks differ.
BEFORE_THE_LEASE_RAN_OUT = timedelta(seconds=30)
AFTER_IT = timedelta(seconds=5)
# Whoever lives writes each second that it is cut off; clocks differ, and MongoDB may be away as well.
SILENT_FOR = timedelta(seconds=15)


async def announce_entries(context: Context, ran_out: datetime) -> int:
    """Say how far each conversation got in which the dead node may have been the last to write, as whoever was told
    already ignores it; answers how many there were. ``ran_out``: the end of its lease.
    """
    return await _announce(context, ran_out - BEFORE_THE_LEASE_RAN_OUT, ran_out + AFTER_IT)


async def announce_silenced(context: Context) -> int:
    """The same for nodes that could not reach Redis, and of which nothing was heard since."""
    count = 0
    for silence in await context.store.silences.before(context.clock() - SILENT_FOR):
        count += await _announce(context, silence.since - BEFORE_THE_LEASE_RAN_OUT, silence.at + SILENT_FOR)
        await context.store.silences.end(silence.node, silence.at)
    return count


async def _announce(context: Context, since: datetime, until: datetime) -> int:
    heads = await context.store.log.projections.repair(since, until)
    records = await context.store.conversations.records(heads)
    for conversation_id, record in records.items():
        told = map(rooms.user, record.membership.user_ids)
        context.publisher.announce_head(conversation_id, heads[conversation_id], *told)
    return len(records)
