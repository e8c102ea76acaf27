"""``message:search``: one's messages by what they say."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

from domain.characters import is_blank
from domain.errors import invalid
from domain.wire.conversations import MessagePage, SearchMessages
from domain.wire.pages import IdCursor, decode_id_cursor, encode_cursor, take_within_size
from handlers import access
from handlers.access import Actor
from handlers.context import ReadContext
from handlers.jobs import Job
from handlers.messages import views
from store.work_queue import WorkRow


async def search_messages(context: ReadContext, actor: Actor, command: SearchMessages) -> MessagePage:
    """Messages of one's conversations that contain the query, whatever its case, accents and forms; newest first.

    The work of one call is bounded: a page can be short, or empty, and have a cursor to go on from.
    """
    query = command.query.strip()
    if is_blank(query):
        raise invalid("query", "has to show something: it is blank")
    before = decode_id_cursor(command.cursor)
    if command.conversation_id is not None:
        ids = [(await access.membership(context, actor, command.conversation_id)).conversation_id]
    else:
        ids = await context.store.conversations.all_ids(actor.user_id)
    found = await context.store.log.search.page(ids, query, before, command.limit)
    page = take_within_size(await views.seen_messages(context, found.records))
    last = found.rest if len(page) == len(found.records) else page[-1].id
    return MessagePage(items=page, next_cursor=None if last is None else encode_cursor(IdCursor(last)))


def respelling_job(context: ReadContext) -> Job:
    """What earlier versions wrote gets its spelling, which is what search compares."""
    return Job("respelling", context.store.respelling.queue, partial(_respell, context), poll=timedelta(seconds=5))


async def _respell(context: ReadContext, claimed: WorkRow) -> None:
    await context.store.respelling.step(claimed, context.now())
