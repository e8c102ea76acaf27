"""What the log calls when an entry is committed: it goes to both parties, a conversation's first one with the
conversation itself before it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from domain import rooms
from domain.conversations import Conversation, Membership
from domain.messages import Message, MessageRecord
from domain.wire.events import ConversationNew, MessageNew
from handlers.context import PublishContext
from handlers.messages import views

# The conversation as each of the two saw it before its first entry.
_FirstEntry = Mapping[str, Conversation]
_NOTHING: _FirstEntry = {}


async def entry_publisher(
    context: PublishContext, member: Membership, view: Callable[[MessageRecord], Message]
) -> Callable[[MessageRecord], Message]:
    """Publishes the committed record as ``view`` shows it, and returns that.

    Made before the entry is submitted, because between its commit and its publication nothing may wait.
    """
    begun = context.store.log.known_head(member.conversation_id) > 0
    first_entry = _NOTHING if begun else await _prepared(context, member)

    def publish(record: MessageRecord) -> Message:
        message = view(record)
        if message.seq == 1:
            # From here on nothing more is looked up about it.
            context.store.conversations.has_begun(member)
            for user_id, before in first_entry.items():
                context.publisher.publish(ConversationNew(conversation=before), rooms.user(user_id))
        event = MessageNew(conversation_id=message.conversation_id, seq=message.seq, message=message)
        context.publisher.publish(event, *map(rooms.user, member.user_ids))
        return message

    return publish


async def _prepared(context: PublishContext, member: Membership) -> _FirstEntry:
    """Both views of a conversation that has no entry yet; nothing for any other."""
    log, conversation_id = context.store.log, member.conversation_id

    async def look() -> _FirstEntry:
        heads = await log.read.heads([conversation_id])
        return _NOTHING if heads[conversation_id] > 0 else await views.empty_views(context, conversation_id)

    # First entries often come several at a time, from both sides.
    return await context.introducing.do(conversation_id, look)
