"""Trainers whom a client keeps in mind."""

from __future__ import annotations

from domain.times import to_wire
from domain.wire.catalogue import AddBookmark, BookmarkAnswer, BookmarkPage, ListBookmarks, RemoveBookmark
from domain.wire.pages import IdCursor, decode_id_cursor, page_of
from handlers.access import Actor, require_role
from handlers.catalogue.cards import cards, listed_trainer
from handlers.context import ReadContext
from handlers.idempotency import idempotent


@idempotent("bookmark:add")
async def add_bookmark(context: ReadContext, actor: Actor, command: AddBookmark) -> None:
    """However often; raises ``not_found`` for a trainer who may not be found."""
    require_role(actor, "client")
    await listed_trainer(context, command.trainer_id)
    await context.store.bookmarks.put(actor.profile_id, command.trainer_id, context.now())


@idempotent("bookmark:remove")
async def remove_bookmark(context: ReadContext, actor: Actor, command: RemoveBookmark) -> None:
    """However often, and whatever became of the trainer."""
    require_role(actor, "client")
    await context.store.bookmarks.delete(actor.profile_id, command.trainer_id)


async def list_bookmarks(context: ReadContext, actor: Actor, command: ListBookmarks) -> BookmarkPage:
    """Newest first; trainers who may not be found just now are left out."""
    require_role(actor, "client")
    found = await context.store.bookmarks.page(actor.profile_id, decode_id_cursor(command.cursor), command.limit + 1)
    page, cursor = page_of(found, command.limit, lambda one: IdCursor(one.id))
    listed = await context.store.listings.of([one.trainer_id for one in page])
    shown = {card.id: card for card in await cards(context, list(listed.values()))}
    return BookmarkPage(
        items=[
            BookmarkAnswer(
                id=one.id,
                trainer=one.trainer_id,
                client=one.client_id,
                card=shown[one.trainer_id],
                created_at=to_wire(one.created_at),
                updated_at=to_wire(one.updated_at),
            )
            for one in page
            if one.trainer_id in shown
        ],
        next_cursor=cursor,
    )
