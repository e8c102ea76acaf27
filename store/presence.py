"""When people were last seen: ``User.lastSeenAt``, forward only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from bson import ObjectId
from pymongo import UpdateOne

from store import users
from store.database import Database
from store.failures import repository


@repository
class Presences:
    def __init__(self, database: Database) -> None:
        self._users = database.collection(users.NAME)

    async def last_seen(self, user_ids: Iterable[str]) -> dict[str, datetime | None]:
        """Of those who exist and are not erased."""
        query = {"_id": {"$in": [ObjectId(i) for i in user_ids]}, "isDeleted": {"$ne": True}}
        found = await self._users.find(query, {"lastSeenAt": 1}).to_list(None)
        return {str(document["_id"]): document.get("lastSeenAt") for document in found}

    async def raise_last_seen(self, seen: Mapping[str, int]) -> None:
        """``seen``: milliseconds since 1970."""
        writes = [
            UpdateOne(
                {"_id": ObjectId(user_id), "isDeleted": {"$ne": True}},
                {"$max": {"lastSeenAt": datetime.fromtimestamp(milliseconds / 1000, UTC)}},
            )
            for user_id, milliseconds in seen.items()
        ]
        if writes:
            await self._users.bulk_write(writes, ordered=False)
