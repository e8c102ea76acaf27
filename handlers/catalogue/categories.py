"""The categories of sessions."""

from __future__ import annotations

import msgspec

from domain.catalogue import SubCategory
from domain.catalogue_answers import CategoryPage, category_answer
from domain.commands.catalogue import ListCategories
from domain.pages import decode_cursor, encode_cursor
from domain.words import folded
from handlers.actor import Visitor
from handlers.context import Context


class _Place(msgspec.Struct, frozen=True):
    name: str


async def list_categories(context: Context, visitor: Visitor, command: ListCategories) -> CategoryPage:
    """By name, each with its subcategories."""
    after = decode_cursor(_Place, command.cursor).name if command.cursor else None
    found = await context.store.categories.page(after, command.limit + 1)
    more, found = len(found) > command.limit, found[: command.limit]
    subs: dict[str, list[SubCategory]] = {}
    for sub in await context.store.categories.subs_of([one.id for one in found]):
        subs.setdefault(sub.category_id, []).append(sub)
    return CategoryPage(
        items=[category_answer(one, subs.get(one.id, [])) for one in found],
        next_cursor=encode_cursor(_Place(folded(found[-1].name))) if more else None,
    )
