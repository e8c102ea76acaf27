"""The SessionCategory and SessionSubCategory tables. Names are unique whatever their case.

Whoever begins to use a category *touches* it in the same transaction, so that this and its deletion exclude each other.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from datetime import datetime
from typing import TypeVar

import msgspec
from bson import ObjectId
from pymongo import ASCENDING, IndexModel, ReturnDocument
from pymongo.errors import DuplicateKeyError

from domain.catalogue import Category, SubCategory
from domain.errors import Code, DomainError, invalid, not_found
from domain.text import folded
from store.audit import AuditWriter
from store.database import SHARED, ClientSession, CollectionSchema, Database, Document, Hot
from store.failures import repository
from store.idempotency import Keep
from store.specializations import Specializations

CATEGORIES = "sessionCategories"
SUB_CATEGORIES = "sessionSubCategories"

SCHEMAS = (
    CollectionSchema(CATEGORIES, (IndexModel([("foldedName", ASCENDING)], name="foldedName", unique=True),)),
    CollectionSchema(
        SUB_CATEGORIES,
        (IndexModel([("category", ASCENDING), ("foldedName", ASCENDING)], name="foldedName", unique=True),),
    ),
)


def hot(category_id: str) -> Hot:
    """Under which transactions wait for each other that write a category or one of its subcategories."""
    return SHARED, f"category:{category_id}"


@repository
class Categories:
    """Names that are taken raise ``DuplicateKeyError`` inside a transaction."""

    def __init__(self, database: Database) -> None:
        self._categories = database.collection(CATEGORIES)
        self._subs = database.collection(SUB_CATEGORIES)

    @staticmethod
    def new_id() -> str:
        return str(ObjectId())

    async def page(self, after: str | None, limit: int) -> list[Category]:
        """By name, ``after`` being the folded name of the last one seen."""
        query = {} if after is None else {"foldedName": {"$gt": after}}
        found = await self._categories.find(query).sort("foldedName", ASCENDING).limit(limit).to_list(None)
        return [_category(one) for one in found]

    async def all(self) -> tuple[list[Category], list[SubCategory]]:
        categories = await self._categories.find().to_list(None)
        subs = await self._subs.find().to_list(None)
        return [_category(one) for one in categories], [_sub(one) for one in subs]

    async def by_ids(
        self, category_ids: Collection[str], *, session: ClientSession | None = None
    ) -> dict[str, Category]:
        query = {"_id": {"$in": [ObjectId(one) for one in category_ids]}}
        found = await self._categories.find(query, session=session).to_list(None)
        return {str(one["_id"]): _category(one) for one in found}

    async def subs_by_ids(
        self, ids: Collection[str], *, session: ClientSession | None = None
    ) -> dict[str, SubCategory]:
        query = {"_id": {"$in": [ObjectId(one) for one in ids]}}
        found = await self._subs.find(query, session=session).to_list(None)
        return {str(one["_id"]): _sub(one) for one in found}

    async def subs_of(self, category_ids: Collection[str]) -> list[SubCategory]:
        """By name."""
        query = {"category": {"$in": [ObjectId(one) for one in category_ids]}}
        found = await self._subs.find(query).sort([("category", ASCENDING), ("foldedName", ASCENDING)]).to_list(None)
        return [_sub(one) for one in found]

    async def touch(self, category_ids: Collection[str], sub_ids: Collection[str], *, session: ClientSession) -> None:
        uses = {"$inc": {"uses": 1}}
        for collection, ids in ((self._categories, category_ids), (self._subs, sub_ids)):
            if ids:
                query = {"_id": {"$in": [ObjectId(one) for one in ids]}}
                await collection.update_many(query, uses, session=session)

    async def insert(self, category: Category, *, session: ClientSession) -> None:
        await self._categories.insert_one(_document(category), session=session)

    async def rename(self, category_id: str, name: str, now: datetime, *, session: ClientSession) -> Category | None:
        """As it was before."""
        found = await self._categories.find_one_and_update(
            {"_id": ObjectId(category_id)},
            {"$set": {**_named(name), "updatedAt": now}},
            session=session,
        )
        return _category(found) if found else None

    async def delete(self, category_id: str, *, session: ClientSession) -> Category | None:
        """With its subcategories."""
        key = ObjectId(category_id)
        await self._subs.delete_many({"category": key}, session=session)
        found = await self._categories.find_one_and_delete({"_id": key}, session=session)
        return _category(found) if found else None

    async def insert_sub(self, sub: SubCategory, *, session: ClientSession) -> None:
        document = {**_document(sub), "category": ObjectId(sub.category_id)}
        await self._subs.insert_one(document, session=session)

    async def update_sub(
        self, sub_id: str, name: str | None, category_id: str | None, now: datetime, *, session: ClientSession
    ) -> SubCategory | None:
        changes: Document = {"updatedAt": now}
        if name is not None:
            changes |= _named(name)
        if category_id is not None:
            changes["category"] = ObjectId(category_id)
        found = await self._subs.find_one_and_update(
            {"_id": ObjectId(sub_id)}, {"$set": changes}, return_document=ReturnDocument.AFTER, session=session
        )
        return _sub(found) if found else None

    async def delete_sub(self, sub_id: str, *, session: ClientSession) -> SubCategory | None:
        found = await self._subs.find_one_and_delete({"_id": ObjectId(sub_id)}, session=session)
        return _sub(found) if found else None


def _named(name: str) -> Document:
    return {"name": name, "foldedName": folded(name)}


def _document(added: Category | SubCategory) -> Document:
    return {
        "_id": ObjectId(added.id),
        **_named(added.name),
        "createdAt": added.created_at,
        "updatedAt": added.updated_at,
    }


def _category(document: Document) -> Category:
    return Category(
        id=str(document["_id"]),
        name=document["name"],
        created_at=document["createdAt"],
        updated_at=document["updatedAt"],
    )


def _sub(document: Document) -> SubCategory:
    return SubCategory(
        id=str(document["_id"]),
        name=document["name"],
        category_id=str(document["category"]),
        created_at=document["createdAt"],
        updated_at=document["updatedAt"],
    )


T = TypeVar("T")


@repository
class Catalogue:
    """Raises ``conflict`` for a name that is taken and for what a trainer uses, ``not_found`` for what is not there."""

    def __init__(self, database: Database, categories: Categories, specializations: Specializations) -> None:
        self._database = database
        self._categories = categories
        self._specializations = specializations

    async def add_category(self, category: Category, keep: Keep, audit: AuditWriter) -> None:
        async def body(session: ClientSession) -> None:
            await self._categories.insert(category, session=session)
            await audit(None, {"name": category.name}, session=session)
            await keep(session=session)

        await self._named(body)

    async def rename_category(self, category_id: str, name: str, now: datetime, audit: AuditWriter) -> Category:
        async def body(session: ClientSession) -> Category:
            before = await self._categories.rename(category_id, name, now, session=session)
            if before is None:
                raise not_found("category")
            await audit({"name": before.name}, {"name": name}, session=session)
            return msgspec.structs.replace(before, name=name, updated_at=now)

        return await self._named(body, hot(category_id))

    async def delete_category(self, category_id: str, keep: Keep, audit: AuditWriter) -> None:
        """With its subcategories."""

        async def body(session: ClientSession) -> None:
            if await self._specializations.uses(category_id, session=session):
                raise _in_use("category")
            deleted = await self._categories.delete(category_id, session=session)
            if deleted is None:
                raise not_found("category")
            await audit({"name": deleted.name}, None, session=session)
            await keep(session=session)

        await self._database.transaction(body, hot=[hot(category_id)])

    async def add_sub_category(self, sub: SubCategory, keep: Keep, audit: AuditWriter) -> None:
        async def body(session: ClientSession) -> None:
            await self._require_category(sub.category_id, session)
            await self._categories.insert_sub(sub, session=session)
            await audit(None, _fields(sub), session=session)
            await keep(session=session)

        await self._named(body, hot(sub.category_id))

    async def update_sub_category(
        self, sub_id: str, name: str | None, category_id: str | None, now: datetime, audit: AuditWriter
    ) -> SubCategory:
        """Another category only while no trainer uses it."""

        async def body(session: ClientSession) -> SubCategory:
            before = (await self._categories.subs_by_ids([sub_id], session=session)).get(sub_id)
            if before is None:
                raise not_found("subcategory")
            if category_id is not None and category_id != before.category_id:
                await self._require_category(category_id, session)
                await self._require_unused(sub_id, session)
            after = await self._categories.update_sub(sub_id, name, category_id, now, session=session)
            if after is None:
                raise not_found("subcategory")
            await audit(_fields(before), _fields(after), session=session)
            return after

        named = [] if category_id is None else [hot(category_id)]
        return await self._named(body, *named, *await self._hot_of_sub(sub_id))

    async def delete_sub_category(self, sub_id: str, keep: Keep, audit: AuditWriter) -> None:
        async def body(session: ClientSession) -> None:
            await self._require_unused(sub_id, session)
            deleted = await self._categories.delete_sub(sub_id, session=session)
            if deleted is None:
                raise not_found("subcategory")
            await audit(_fields(deleted), None, session=session)
            await keep(session=session)

        await self._database.transaction(body, hot=await self._hot_of_sub(sub_id))

    async def _hot_of_sub(self, sub_id: str) -> list[Hot]:
        return [hot(sub.category_id) for sub in (await self._categories.subs_by_ids([sub_id])).values()]

    async def _require_category(self, category_id: str, session: ClientSession) -> None:
        if category_id not in await self._categories.by_ids([category_id], session=session):
            raise invalid("category", "has to be the id of a category")
        await self._categories.touch([category_id], (), session=session)

    async def _require_unused(self, sub_id: str, session: ClientSession) -> None:
        if await self._specializations.uses_sub(sub_id, session=session):
            raise _in_use("subcategory")

    async def _named(self, body: Callable[[ClientSession], Awaitable[T]], *hot: Hot) -> T:
        try:
            return await self._database.transaction(body, hot=hot)
        except DuplicateKeyError:
            raise DomainError(Code.CONFLICT, "This name is taken.") from None


def _fields(sub: SubCategory) -> dict[str, object]:
    return {"name": sub.name, "category": sub.category_id}


def _in_use(what: str) -> DomainError:
    return DomainError(Code.CONFLICT, f"Trainers offer this {what}.")
