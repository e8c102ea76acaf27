"""What an erased user said is taken back: a deletion in the log for each message, as if its sender had made it.

The log stays gapless, the other side's devices learn of it as of any deletion, and texts of earlier edits go as well.
"""

from __future__ import annotations

import asyncio

import msgspec

from domain import rooms
from domain.messages import MessageChange, MessageRecord, change_key
from domain.wire.events import MessageUpdated
from handlers.context import PublishContext
from handlers.messages import views
from store.log.log import AppendedChange

# Submitted at once: each enters its log in a write of its own.
_TOGETHER = 20


async def retract(context: PublishContext, conversation_id: str, sender_id: str, limit: int) -> int:
    """Takes back up to ``limit`` of the sender's messages; answers how many. Raises ``unavailable``."""
    standing = await context.store.log.read.standing(conversation_id, sender_id, limit)
    for start in range(0, len(standing), _TOGETHER):
        together = standing[start : start + _TOGETHER]
        await asyncio.gather(*(_delete(context, record) for record in together))
    return len(standing)


async def _delete(context: PublishContext, record: MessageRecord) -> None:
    participants = (await context.store.conversations.participants([record.conversation_id]))[record.conversation_id]

    def on_committed(applied: AppendedChange) -> None:
        message = views.seen_message(context, applied.target, views.caught_up(context, participants), {})
        event = MessageUpdated(
            conversation_id=record.conversation_id, seq=applied.seq, change="delete", message=message
        )
        context.publisher.publish(event, *(rooms.user(one.user_id) for one in participants))

    change = MessageChange(
        id=context.store.log.new_id(),
        conversation_id=record.conversation_id,
        sender_id=record.sender_id,
        kind="delete",
        target=record.id,
        created_at=context.now(),
    )
    change = msgspec.structs.replace(change, client_message_id=change_key(record, change))
    await context.store.log.append_change(change, on_committed)
