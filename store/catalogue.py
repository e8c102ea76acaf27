"""What administrators do to the categories, in one transaction each."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import TypeVar

from pymongo.errors import DuplicateKeyError

from domain.catalogue import Category, SubCategory
from domain.errors import Code, DomainError, invalid, not_found
from store.categories import Categories
from store.database import Database, Session
from store.failures import repository
from store.idempotency import Keep
from store.specializations import Specializations

T = TypeVar("T")


@repository
class Catalogue:
    """Raises ``conflict`` for a name that is taken and for what a trainer uses, ``not_found`` for what is not there."""

    def __init__(self, database: Database, categories: Categories, specializations: Specializations) -> None:
        self._database = database
        self._categories = categories
        self._specializations = specializations

    async def add_category(self, category: Category, keep: Keep) -> None:
        async def body(session: Session) -> None:
            await self._categories.insert(category, session=session)
            await keep(session=session)

        await self._named(body)

    async def rename_category(self, category_id: str, name: str, now: datetime) -> Category:
        renamed = await self._named(lambda session: self._categories.rename(category_id, name, now, session=session))
        if renamed is None:
            raise not_found("category")
        return renamed

    async def delete_category(self, category_id: str, keep: Keep) -> None:
        """With its subcategories."""

        async def body(session: Session) -> None:
            if await self._specializations.uses(category_id, session=session):
                raise _in_use("category")
            if not await self._categories.delete(category_id, session=session):
                raise not_found("category")
            await keep(session=session)

        await self._database.transaction(body)

    async def add_sub_category(self, sub: SubCategory, keep: Keep) -> None:
        async def body(session: Session) -> None:
            await self._require_category(sub.category_id, session)
            await self._categories.insert_sub(sub, session=session)
            await keep(session=session)

        await self._named(body)

    async def update_sub_category(
        self, sub_id: str, name: str | None, category_id: str | None, now: datetime
    ) -> SubCategory:
        """Another category only while no trainer uses it."""

        async def body(session: Session) -> SubCategory:
            before = (await self._categories.subs_by_ids([sub_id], session=session)).get(sub_id)
            if before is None:
                raise not_found("subcategory")
            if category_id is not None and category_id != before.category_id:
                await self._require_category(category_id, session)
                await self._require_unused(sub_id, session)
            after = await self._categories.update_sub(sub_id, name, category_id, now, session=session)
            if after is None:
                raise not_found("subcategory")
            return after

        return await self._named(body)

    async def delete_sub_category(self, sub_id: str, keep: Keep) -> None:
        async def body(session: Session) -> None:
            await self._require_unused(sub_id, session)
            if not await self._categories.delete_sub(sub_id, session=session):
                raise not_found("subcategory")
            await keep(session=session)

        await self._database.transaction(body)

    async def _require_category(self, category_id: str, session: Session) -> None:
        if category_id not in await self._categories.by_ids([category_id], session=session):
            raise invalid("category", "is not a category")
        await self._categories.touch([category_id], (), session=session)

    async def _require_unused(self, sub_id: str, session: Session) -> None:
        if await self._specializations.uses_sub(sub_id, session=session):
            raise _in_use("subcategory")

    async def _named(self, body: Callable[[Session], Awaitable[T]]) -> T:
        try:
            return await self._database.transaction(body)
        except DuplicateKeyError:
            raise DomainError(Code.CONFLICT, "This name is taken.") from None


def _in_use(what: str) -> DomainError:
    return DomainError(Code.CONFLICT, f"Trainers offer this {what}.")
