"""Entries that live delivery missed, as the events they would have been, and those that a node left unpublished.

A node that died, or was not seen since it lost Redis, is a row of ``store/publish_outages.py``: any other node
publishes what it committed and may not have published, and shows it in its conversations.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from domain import rooms
from domain.wire.events import ConversationNew, MessageNew, MessageUpdated
from handlers.context import PublishContext, ReadContext
from handlers.jobs import Backoff, Job
from handlers.messages import views
from store.log.reader import CommitTime
from store.publish_outages import OUTAGE_OVER_AFTER
from store.work_queue import WorkRow


@dataclass(frozen=True, slots=True)
class Missed:
    conversation_id: str
    seq: int
    event: MessageNew | MessageUpdated


async def missed(context: ReadContext, spans: Mapping[str, tuple[int, int]], limit: int) -> list[Missed]:
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


async def heads(context: ReadContext, conversation_ids: Iterable[str]) -> dict[str, int]:
    found = await context.store.log.read.heads(conversation_ids)
    for conversation_id, head in found.items():
        # Whoever answers what was missed need not lose a race to notice it.
        context.store.log.received(conversation_id, head)
    return found


async def first_entry_events(context: ReadContext, conversation_id: str) -> dict[str, ConversationNew]:
    """What each side's room receives before a conversation's first entry."""
    before = await views.empty_views(context, conversation_id)
    return {rooms.user(user_id): ConversationNew(conversation=view) for user_id, view in before.items()}


async def commit_time(context: ReadContext) -> CommitTime:
    """Now, in the order of commits."""
    return await context.store.log.read.commit_time()


async def head_at(context: ReadContext, conversation_id: str, at: CommitTime) -> int | None:
    """How far the conversation had got by then; nothing when that is no longer known."""
    return await context.store.log.read.head_at(conversation_id, at)


def unapplied_changes_job(context: PublishContext) -> Job:
    """Applies change entries whose writer died before it did, and announces them."""
    return Job(
        "changes",
        context.store.log.changes.queue,
        partial(_apply, context),
        lease=timedelta(seconds=30),
        poll=timedelta(seconds=5),
    )


async def _apply(context: PublishContext, claimed: WorkRow) -> None:
    change, applied = await context.store.log.redrive(claimed)
    (message,) = await views.seen_messages(context, [applied.target])
    member = await context.store.conversations.membership(change.conversation_id, change.sender_id)
    if member is not None:
        event = MessageUpdated(
            conversation_id=change.conversation_id, seq=applied.seq, change=change.kind, message=message
        )
        context.publisher.publish(event, *map(rooms.user, member.user_ids))
    await context.store.log.settle(claimed)


# Entries are found by the time of their submission, which is in their ids; they may be committed much later. A node
# submits nothing after the end of its lease, and an entry is sent to MongoDB within 10 s of its submission, as its
# submitter's timeout ends then. What was sent stays with a server that is frozen, whoever dies meanwhile: so rows
# begin before such a time (``since``), and this is for the timeout, the 8 s between a death and the end of the lease,
# and clocks that differ by up to 30 s.
BEFORE = timedelta(seconds=60)
AFTER = timedelta(seconds=30)
# The row was written when MongoDB answered; a write that lay there is committed within the 5 s of a batch's time limit
# from then on. One that lies in the dead node's host, which goes on sending it, can come up to two minutes later.
AGAIN_AFTER = tuple(timedelta(seconds=pause) for pause in (1, 1, 2, 2, 4, 5, 5, 10, 30, 60))


def unpublished_entries_job(context: PublishContext) -> Job:
    """Publishes how far each conversation got in which the node may have been the last to write; whoever received it
    ignores it."""
    return Job(
        "unpublished entries",
        context.store.publish_outages.queue,
        partial(_recover, context),
        lease=timedelta(seconds=30),
        backoff=Backoff(longest=timedelta(seconds=60), longest_excused=timedelta(seconds=5)),
    )


async def _recover(context: PublishContext, claimed: WorkRow) -> None:
    outages, now = context.store.publish_outages, context.clock()
    row = outages.row(claimed)
    if not row.dead and now < row.at + OUTAGE_OVER_AFTER:
        # It lives, and an earlier version of this program does not write when the row is due.
        await outages.look_again(claimed, row.at + OUTAGE_OVER_AFTER, 0)
        return
    until = row.at + (AFTER if row.dead else OUTAGE_OVER_AFTER + AFTER)
    # What was committed later shows in no projection: those who live write theirs.
    await _announce(context, row.since - BEFORE, until, only_behind=row.looks > 0)
    if row.looks < len(AGAIN_AFTER):
        await outages.look_again(claimed, now + AGAIN_AFTER[row.looks], row.looks + 1)


async def _announce(context: PublishContext, since: datetime, until: datetime, *, only_behind: bool) -> None:
    heads = await context.store.log.projections.repair(since, until, only_behind=only_behind)
    records = await context.store.conversations.records(heads)
    for conversation_id, record in records.items():
        user_rooms = map(rooms.user, record.membership.user_ids)
        context.publisher.announce_head(conversation_id, heads[conversation_id], *user_rooms)
