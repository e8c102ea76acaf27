"""The categories of sessions, kept by administrators. A name is unique whatever its case."""

from __future__ import annotations

import msgspec

from domain.accounts import ADMINISTRATORS
from domain.catalogue import Category, SubCategory
from domain.catalogue_answers import CategoryAnswer, SubCategoryAnswer, category_answer, sub_category_answer
from domain.commands.catalogue import (
    AddCategory,
    AddSubCategory,
    DeleteCategory,
    DeleteSubCategory,
    UpdateCategory,
    UpdateSubCategory,
)
from domain.instants import whole_milliseconds
from handlers.access import require_role
from handlers.actor import Actor
from handlers.context import Context
from handlers.idempotent import idempotent
from handlers.idempotent_commit import Keeper, idempotent_commit


@idempotent_commit
async def add_category(context: Context, actor: Actor, command: AddCategory, keep: Keeper) -> CategoryAnswer:
    """Raises ``conflict`` for a name that is taken."""
    require_role(actor, *ADMINISTRATORS)
    now = whole_milliseconds(context.clock())
    added = Category(
        id=context.store.categories.new_id(), name=command.name.strip(), created_at=now, updated_at=now
    )
    answer = category_answer(added, [])
    await context.store.catalogue.add_category(added, keep(answer))
    return answer


@idempotent
async def update_category(context: Context, actor: Actor, command: UpdateCategory) -> CategoryAnswer:
    require_role(actor, *ADMINISTRATORS)
    store, now = context.store, whole_milliseconds(context.clock())
    renamed = await store.catalogue.rename_category(command.id, command.name.strip(), now)
    return category_answer(renamed, await store.categories.subs_of([renamed.id]))


@idempotent_commit
async def delete_category(context: Context, actor: Actor, command: DeleteCategory, keep: Keeper) -> None:
    """With its subcategories; raises ``conflict`` while a trainer offers it."""
    require_role(actor, *ADMINISTRATORS)
    await context.store.catalogue.delete_category(command.id, keep(None))


@idempotent_commit
async def add_sub_category(
    context: Context, actor: Actor, command: AddSubCategory, keep: Keeper
) -> SubCategoryAnswer:
    """Raises ``conflict`` for a name that is taken in its category."""
    require_role(actor, *ADMINISTRATORS)
    now = whole_milliseconds(context.clock())
    added = SubCategory(
        id=context.store.categories.new_id(),
        name=command.name.strip(),
        category_id=command.category,
        created_at=now,
        updated_at=now,
    )
    answer = sub_category_answer(added)
    await context.store.catalogue.add_sub_category(added, keep(answer))
    return answer


@idempotent
async def update_sub_category(context: Context, actor: Actor, command: UpdateSubCategory) -> SubCategoryAnswer:
    """Into another category only while no trainer offers it."""
    require_role(actor, *ADMINISTRATORS)
    name = None if command.name is msgspec.UNSET else command.name.strip()
    category = None if command.category is msgspec.UNSET else command.category
    now = whole_milliseconds(context.clock())
    return sub_category_answer(await context.store.catalogue.update_sub_category(command.id, name, category, now))


@idempotent_commit
async def delete_sub_category(context: Context, actor: Actor, command: DeleteSubCategory, keep: Keeper) -> None:
    """Raises ``conflict`` while a trainer offers it."""
    require_role(actor, *ADMINISTRATORS)
    await context.store.catalogue.delete_sub_category(command.id, keep(None))
