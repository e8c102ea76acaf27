"""What a dead node committed and may not have told anybody, nor shown in its conversations."""

from __future__ import annotations

from datetime import datetime, timedelta

from domain import rooms
from handlers.context import Context

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
