"""The SessionCategory and SessionSubCategory tables. Names are unique whatever their case.

Whoever begins to use a category *touches* it in the same transaction, so that this and its deletion exclude each other.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from bson import ObjectId
from pymongo import ASCENDING, IndexModel, ReturnDocument

from domain.catalogue import Category, SubCategory
from domain.words import folded
from store.database import Database, Document, Session
from store.failures import repository
from store.schema import CollectionSchema

CATEGORIES = "sessionCategories"
SUB_CATEGORIES = "sessionSubCategories"

SCHEMAS = (
    CollectionSchema(CATEGORIES, (IndexModel([("foldedName", ASCENDING)], name="foldedName", unique=True),)),
    CollectionSchema(
        SUB_CATEGORIES,
        (IndexModel([("category", ASCENDING), ("foldedName", ASCENDING)], name="foldedName", unique=True),),
    ),
)


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

    async def by_ids(self, category_ids: Collection[str], *, session: Session | None = None) -> dict[str, Category]:
        query = {"_id": {"$in": [ObjectId(one) for one in category_ids]}}
        found = await self._categories.find(query, session=session).to_list(None)
        return {str(one["_id"]): _category(one) for one in found}

    async def subs_by_ids(self, ids: Collection[str], *, session: Session | None = None) -> dict[str, SubCategory]:
        query = {"_id": {"$in": [ObjectId(one) for one in ids]}}
        found = await self._subs.find(query, session=session).to_list(None)
        return {str(one["_id"]): _sub(one) for one in found}

    async def subs_of(self, category_ids: Collection[str]) -> list[SubCategory]:
        """By name."""
        query = {"category": {"$in": [ObjectId(one) for one in category_ids]}}
        found = await self._subs.find(query).sort([("category", ASCENDING), ("foldedName", ASCENDING)]).to_list(None)
        return [_sub(one) for one in found]

    async def touch(self, category_ids: Collection[str], sub_ids: Collection[str], *, session: Session) -> None:
        uses = {"$inc": {"uses": 1}}
        for collection, ids in ((self._categories, category_ids), (self._subs, sub_ids)):
            if ids:
                query = {"_id": {"$in": [ObjectId(one) for one in ids]}}
                await collection.update_many(query, uses, session=session)

    async def insert(self, category: Category, *, session: Session) -> None:
        await self._categories.insert_one(_document(category), session=session)

    async def rename(self, category_id: str, name: str, now: datetime, *, session: Session) -> Category | None:
        found = await self._categories.find_one_and_update(
            {"_id": ObjectId(category_id)},
            {"$set": {**_named(name), "updatedAt": now}},
            return_document=ReturnDocument.AFTER,
            session=session,
        )
        return _category(found) if found else None

    async def delete(self, category_id: str, *, session: Session) -> bool:
        """With its subcategories."""
        key = ObjectId(category_id)
        await self._subs.delete_many({"category": key}, session=session)
        return bool((await self._categories.delete_one({"_id": key}, session=session)).deleted_count)

    async def insert_sub(self, sub: SubCategory, *, session: Session) -> None:
        document = {**_document(sub), "category": ObjectId(sub.category_id)}
        await self._subs.insert_one(document, session=session)

    async def update_sub(
        self, sub_id: str, name: str | None, category_id: str | None, now: datetime, *, session: Session
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

    async def delete_sub(self, sub_id: str, *, session: Session) -> bool:
        return bool((await self._subs.delete_one({"_id": ObjectId(sub_id)}, session=session)).deleted_count)


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
