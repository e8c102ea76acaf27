"""The Specialization table, with the trainer whose it is."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from operator import itemgetter

from bson import ObjectId
from pymongo import ASCENDING, IndexModel

from domain.catalogue import Specialization
from store.database import ClientSession, CollectionSchema, Database, Document
from store.failures import repository

NAME = "specializations"
SCHEMAS = (
    CollectionSchema(
        NAME,
        (
            IndexModel([("trainer", ASCENDING)], name="trainer"),
            IndexModel([("sessionCategory", ASCENDING)], name="category"),
            IndexModel([("subCategories", ASCENDING)], name="subCategory"),
        ),
    ),
)


@repository
class Specializations:
    def __init__(self, database: Database) -> None:
        self._specializations = database.collection(NAME)

    @staticmethod
    def new_id() -> str:
        return str(ObjectId())

    async def of(
        self, trainer_ids: Collection[str], *, session: ClientSession | None = None
    ) -> dict[str, list[Specialization]]:
        """Each trainer's, in the order in which they were given."""
        query = {"trainer": {"$in": [ObjectId(one) for one in trainer_ids]}}
        found: dict[str, list[Specialization]] = {}
        # Sorted here: there, with few trainers, the planner may prefer to walk everybody's in the order of ids.
        documents = await self._specializations.find(query, session=session).to_list(None)
        for document in sorted(documents, key=itemgetter("_id")):
            one = _specialization(document)
            found.setdefault(one.trainer_id, []).append(one)
        return found

    async def replace(
        self, trainer_id: str, offered: Sequence[Specialization], now: datetime, *, session: ClientSession
    ) -> None:
        await self.delete(trainer_id, session=session)
        if offered:
            await self._specializations.insert_many([_document(one, now) for one in offered], session=session)

    async def delete(self, trainer_id: str, *, session: ClientSession) -> None:
        await self._specializations.delete_many({"trainer": ObjectId(trainer_id)}, session=session)

    async def uses(self, category_id: str, *, session: ClientSession) -> bool:
        query = {"sessionCategory": ObjectId(category_id)}
        return await self._specializations.find_one(query, {"_id": 1}, session=session) is not None

    async def uses_sub(self, sub_id: str, *, session: ClientSession) -> bool:
        return await self._specializations.find_one({"subCategories": sub_id}, {"_id": 1}, session=session) is not None


def _document(one: Specialization, now: datetime) -> Document:
    return {
        "_id": ObjectId(one.id),
        "trainer": ObjectId(one.trainer_id),
        "sessionCategory": ObjectId(one.category_id),
        "subCategories": list(one.sub_category_ids),
        "createdAt": now,
        "updatedAt": now,
    }


def _specialization(document: Document) -> Specialization:
    return Specialization(
        id=str(document["_id"]),
        trainer_id=str(document["trainer"]),
        category_id=str(document["sessionCategory"]),
        sub_category_ids=tuple(document["subCategories"]),
    )
