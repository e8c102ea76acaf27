"""Reading messages back: by position, and by what they say."""

from __future__ import annotations

from domain.answers import MessageList, MessagePage
from domain.commands.conversations import ListMessages, SearchMessages
from domain.errors import invalid
from handlers import access, views
from handlers.actor import Actor
from handlers.budget import affordable, weight
from handlers.context import Context


async def list_messages(context: Context, actor: Actor, command: ListMessages) -> MessageList:
    """The messages before a position, ascending; changes are folded into them."""
    member = await access.membership(context, actor, command.conversation_id)
    read = context.store.log.read
    records = await read.before(member.conversation_id, command.before_seq, command.limit + 1)
    newest = affordable(reversed(records[-command.limit :]), weight)
    messages = await views.seen_messages(context, newest[::-1])
    return MessageList(messages=messages, has_more=len(records) > len(newest))


async def search_messages(context: Context, actor: Actor, command: SearchMessages) -> MessagePage:
    """Messages of one's conversations that contain the query, whatever its case; newest first."""
    query = command.query.strip()
    if not query:
        raise invalid("query", "is blank")
    before = _cursor(command.cursor)
    if command.conversation_id is not None:
        ids = [(await access.membership(context, actor, command.conversation_id)).conversation_id]
    else:
        ids = await context.store.conversations.all_ids(actor.user_id)
    records = await context.store.log.read.search(ids, query, before, command.limit + 1)
    page = affordable(records[: command.limit], weight)
    return MessagePage(
        items=await views.seen_messages(context, page),
        next_cursor=page[-1].id if len(records) > len(page) else None,
    )


def _cursor(cursor: str | None) -> str | None:
    if cursor is not None and (len(cursor) != 24 or not set(cursor) <= set("0123456789abcdef")):
        raise invalid("cursor", "is not one that this search gave")
    return cursor
