"""The categories of sessions: read by everybody, kept by administrators. A name is unique whatever its case."""

from __future__ import annotations

import msgspec

from domain.accounts import ADMINISTRATORS
from domain.catalogue import Category, SubCategory
from domain.text import folded
from domain.wire.catalogue import (
    AddCategory,
    AddSubCategory,
    CategoryAnswer,
    CategoryPage,
    DeleteCategory,
    DeleteSubCategory,
    ListCategories,
    SubCategoryAnswer,
    UpdateCategory,
    UpdateSubCategory,
    category_answer,
    sub_category_answer,
)
from domain.wire.pages import decode_cursor, page_of
from handlers.access import Actor, Visitor, require_role
from handlers.audit import audit_writer
from handlers.context import ReadContext
from handlers.idempotency import KeepResult, idempotent, idempotent_commit


class _PageCursor(msgspec.Struct, frozen=True):
    name: str


async def list_categories(context: ReadContext, visitor: Visitor, command: ListCategories) -> CategoryPage:
    """By name, each with its subcategories."""
    after = decode_cursor(_PageCursor, command.cursor).name if command.cursor else None
    found = await context.store.categories.page(after, command.limit + 1)
    page, cursor = page_of(found, command.limit, lambda one: _PageCursor(folded(one.name)))
    subs: dict[str, list[SubCategory]] = {}
    for sub in await context.store.categories.subs_of([one.id for one in page]):
        subs.setdefault(sub.category_id, []).append(sub)
    return CategoryPage(
        items=[category_answer(one, subs.get(one.id, [])) for one in page],
        next_cursor=cursor,
    )


@idempotent_commit("category:add")
async def add_category(context: ReadContext, actor: Actor, command: AddCategory, keep: KeepResult) -> CategoryAnswer:
    """Raises ``conflict`` for a name that is taken."""
    require_role(actor, *ADMINISTRATORS)
    now = context.now()
    added = Category(
        id=context.store.categories.new_id(), name=command.name.strip(), created_at=now, updated_at=now
    )
    answer = category_answer(added, [])
    audit = audit_writer(context, actor, "category.create", "category", added.id)
    await context.store.catalogue.add_category(added, keep(answer), audit)
    return answer


@idempotent("category:update")
async def update_category(context: ReadContext, actor: Actor, command: UpdateCategory) -> CategoryAnswer:
    require_role(actor, *ADMINISTRATORS)
    store, now = context.store, context.now()
    audit = audit_writer(context, actor, "category.update", "category", command.id)
    renamed = await store.catalogue.rename_category(command.id, command.name.strip(), now, audit)
    return category_answer(renamed, await store.categories.subs_of([renamed.id]))


@idempotent_commit("category:delete")
async def delete_category(context: ReadContext, actor: Actor, command: DeleteCategory, keep: KeepResult) -> None:
    """With its subcategories; raises ``conflict`` while a trainer offers it."""
    require_role(actor, *ADMINISTRATORS)
    audit = audit_writer(context, actor, "category.delete", "category", command.id)
    await context.store.catalogue.delete_category(command.id, keep(None), audit)


@idempotent_commit("subcategory:add")
async def add_sub_category(
    context: ReadContext, actor: Actor, command: AddSubCategory, keep: KeepResult
) -> SubCategoryAnswer:
    """Raises ``conflict`` for a name that is taken in its category."""
    require_role(actor, *ADMINISTRATORS)
    now = context.now()
    added = SubCategory(
        id=context.store.categories.new_id(),
        name=command.name.strip(),
        category_id=command.category,
        created_at=now,
        updated_at=now,
    )
    answer = sub_category_answer(added)
    audit = audit_writer(context, actor, "subcategory.create", "subcategory", added.id)
    await context.store.catalogue.add_sub_category(added, keep(answer), audit)
    return answer


@idempotent("subcategory:update")
async def update_sub_category(context: ReadContext, actor: Actor, command: UpdateSubCategory) -> SubCategoryAnswer:
    """Into another category only while no trainer offers it."""
    require_role(actor, *ADMINISTRATORS)
    name = None if command.name is msgspec.UNSET else command.name.strip()
    category = None if command.category is msgspec.UNSET else command.category
    audit = audit_writer(context, actor, "subcategory.update", "subcategory", command.id)
    changed = await context.store.catalogue.update_sub_category(command.id, name, category, context.now(), audit)
    return sub_category_answer(changed)


@idempotent_commit("subcategory:delete")
async def delete_sub_category(context: ReadContext, actor: Actor, command: DeleteSubCategory, keep: KeepResult) -> None:
    """Raises ``conflict`` while a trainer offers it."""
    require_role(actor, *ADMINISTRATORS)
    audit = audit_writer(context, actor, "subcategory.delete", "subcategory", command.id)
    await context.store.catalogue.delete_sub_category(command.id, keep(None), audit)
