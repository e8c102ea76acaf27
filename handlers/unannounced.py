"""What a dead node committed and may not have told anybody, nor shown in its conversations."""

from __future__ import annotations

from datetime import datetime, timedelta

from domain import rooms
from handlers.context import Context

# An entry's id is made when it is submitted; it may be stored until its submitter's patience ends, by a node that
# had a lease until then. And clocks differ.
BEFORE_THE_LEASE_RAN_OUT = timedelta(seconds=30)
AFTER_IT = timedelta(seconds=5)


async def announce_entries(context: Context, ran_out: datetime) -> int:
    """Say how far each conversation got in which the dead node may have been the last to write, as whoever was told
    already ignores it; answers how many there were. ``ran_out``: the end of its lease.
    """
    since, until = ran_out - BEFORE_THE_LEASE_RAN_OUT, ran_out + AFTER_IT
    heads = await context.store.log.projections.repair(since, until)
    records = await context.store.conversations.records(heads)
    for conversation_id, record in records.items():
        told = map(rooms.user, record.membership.user_ids)
        context.publisher.announce_head(conversation_id, heads[conversation_id], *told)
    return len(records)
