"""Secret calendar feeds: one a user, found by the keyed hash of its token."""

from __future__ import annotations

from datetime import datetime

from bson import ObjectId
from pymongo import ASCENDING, IndexModel
from pymongo.errors import DuplicateKeyError

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

    async def add(self, user_id: str, token: str, now: datetime) -> bool:
        """``token``: its keyed hash; false when the user has a feed."""
        try:
            await self._feeds.insert_one(
                {"user": ObjectId(user_id), "token": token, "createdAt": now, "updatedAt": now}
            )
        except DuplicateKeyError:
            return False
        return True

    async def put(self, user_id: str, token: str, now: datetime) -> None:
        """The same in any case; the one before it finds nothing any more."""
        await self._feeds.update_one(
            {"user": ObjectId(user_id)},
            {"$set": {"token": token, "createdAt": now, "updatedAt": now}},
            upsert=True,
        )

    async def created_at(self, user_id: str) -> datetime | None:
        """Of the user's feed, if there is one."""
        found = await self._feeds.find_one({"user": ObjectId(user_id)}, {"createdAt": 1})
        created_at: datetime | None = found["createdAt"] if found else None
        return created_at

    async def remove(self, user_id: str, *, session: ClientSession | None = None) -> None:
        await self._feeds.delete_one({"user": ObjectId(user_id)}, session=session)

    async def user_of(self, token: str) -> str | None:
        found = await self._feeds.find_one({"token": token}, {"user": 1})
        return str(found["user"]) if found else None
