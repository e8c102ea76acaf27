"""Secret calendar feeds: one a user, found by the keyed hash of its token."""

from __future__ import annotations

from datetime import datetime

from bson import ObjectId
from pymongo import ASCENDING, IndexModel

from store.database import ClientSession, CollectionSchema, Database
from store.failures import repository

NAME = "calendarFeeds"
SCHEMAS = (
    CollectionSchema(
        NAME,
        (
            IndexModel([("user", ASCENDING)], name="user", unique=True),
            IndexModel([("token", ASCENDING)], name="token", unique=True),
        ),
    ),
)


@repository
class Calendars:
    def __init__(self, database: Database) -> None:
        self._feeds = database.collection(NAME)

    async def put(self, user_id: str, token: str, now: datetime) -> None:
        """``token``: its keyed hash; the one before it finds nothing any more."""
        await self._feeds.update_one(
            {"user": ObjectId(user_id)},
            {"$set": {"token": token, "updatedAt": now}, "$setOnInsert": {"createdAt": now}},
            upsert=True,
        )

    async def remove(self, user_id: str, *, session: ClientSession | None = None) -> None:
        await self._feeds.delete_one({"user": ObjectId(user_id)}, session=session)

    async def user_of(self, token: str) -> str | None:
        found = await self._feeds.find_one({"token": token}, {"user": 1})
        return str(found["user"]) if found else None
