"""What a node that died left half done is finished by any other."""

from __future__ import annotations

from domain import rooms
from domain.events import MessageUpdated
from handlers import views
from handlers.context import Context


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
