"""``conversation:new``: what both sides are told together with a conversation's first entry."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from domain import rooms
from domain.conversations import Conversation, Membership
from domain.events import ConversationNew
from domain.messages import Message
from handlers import views
from handlers.context import Context

# The conversation as each of the two sees it before anything was said.
Introduction = Mapping[str, Conversation]


async def prepare(context: Context, member: Membership) -> Introduction:
    """Both views of a conversation that has no entry yet; nothing for any other.

    Made before the entry is submitted, because between its commit and its announcement nothing may wait.
    """
    log, conversation_id = context.store.log, member.conversation_id
    if log.known_head(conversation_id) > 0:
        return {}

    async def look() -> Introduction:
        heads = await log.read.heads([conversation_id])
        return {} if heads[conversation_id] > 0 else await views.unspoken_views(context, conversation_id)

    # First words often come several at a time, from both sides.
    return await context.introducing.do(conversation_id, look)


def publish(context: Context, introduction: Introduction, first: Message) -> None:
    for user_id, before in introduction.items():
        conversation = msgspec.structs.replace(
            before,
            last_message=first,
            head=first.seq,
            unread=int(user_id != first.sender_id),
            updated_at=first.created_at,
        )
        context.publisher.publish(ConversationNew(conversation=conversation), rooms.user(user_id))
