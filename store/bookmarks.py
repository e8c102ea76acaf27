"""The Bookmark table."""

from __future__ import annotations

from datetime import datetime

from bson import ObjectId
from pymongo import ASCENDING, DESCENDING, IndexModel
from pymongo.errors import DuplicateKeyError

from domain.catalogue import Bookmark
from domain.listings import EVERYBODY
from store import listings
from store.database import ClientSession, CollectionSchema, Database, Document
from store.failures import repository

NAME = "bookmarks"
SCHEMAS = (
    CollectionSchema(
        NAME,
        (
            IndexModel([("client", ASCENDING), ("trainer", ASCENDING)], name="pair", unique=True),
            IndexModel([("client", ASCENDING), ("_id", DESCENDING)], name="newest"),
            IndexModel([("trainer", ASCENDING)], name="trainer"),
        ),
    ),
)


@repository
class Bookmarks:
    def __init__(self, database: Database) -> None:
        self._bookmarks = database.collection(NAME)

    async def put(self, client_id: str, trainer_id: str, now: datetime) -> None:
        pair = {"client": ObjectId(client_id), "trainer": ObjectId(trainer_id)}
        try:
            await self._bookmarks.update_one(
                pair, {"$setOnInsert": {"createdAt": now, "updatedAt": now}}, upsert=True
            )
        except DuplicateKeyError:
            # Twice at once: it is there.
            return

    async def delete(self, client_id: str, trainer_id: str) -> None:
        await self._bookmarks.delete_one({"client": ObjectId(client_id), "trainer": ObjectId(trainer_id)})

    async def has(self, client_id: str, trainer_id: str) -> bool:
        pair = {"client": ObjectId(client_id), "trainer": ObjectId(trainer_id)}
        return await self._bookmarks.find_one(pair, {"_id": 1}) is not None

    async def page(self, client_id: str, before: str | None, limit: int) -> list[Bookmark]:
        """Newest first, of the trainers who may be found just now."""
        query: Document = {"client": ObjectId(client_id)}
        if before is not None:
            query["_id"] = {"$lt": ObjectId(before)}
        visible: Document = {
            "from": listings.NAME,
            "localField": "trainer",
            "foreignField": "_id",
            "pipeline": [{"$match": {"terms": EVERYBODY}}, {"$project": {"_id": 1}}],
            "as": "listing",
        }
        found = self._bookmarks.aggregate(
            [
                {"$match": query},
                {"$sort": {"_id": DESCENDING}},
                {"$lookup": visible},
                {"$match": {"listing": {"$ne": []}}},
                {"$limit": limit},
            ]
        )
        return [_bookmark(one) for one in await found.to_list(None)]

    async def delete_all(self, profile_id: str, *, session: ClientSession) -> None:
        """Of a client, and on a trainer."""
        for side in ("client", "trainer"):
            await self._bookmarks.delete_many({side: ObjectId(profile_id)}, session=session)


def _bookmark(document: Document) -> Bookmark:
    return Bookmark(
        id=str(document["_id"]),
        client_id=str(document["client"]),
        trainer_id=str(document["trainer"]),
        created_at=document["createdAt"],
        updated_at=document["updatedAt"],
    )
