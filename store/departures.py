"""Erased accounts that are to be looked at once more: a transaction may have held what erasing did not see."""

from __future__ import annotations

from datetime import datetime

import msgspec
from bson import ObjectId
from pymongo import ASCENDING, IndexModel

from domain.accounts import Role, User
from store.database import Database, Session
from store.failures import repository
from store.schema import CollectionSchema

NAME = "departures"
SCHEMAS = (CollectionSchema(NAME, (IndexModel([("at", ASCENDING)], name="age"),)),)


class Departure(msgspec.Struct, frozen=True):
    user_id: str
    role: Role
    profile_id: str


@repository
class Departures:
    def __init__(self, database: Database) -> None:
        self._rows = database.collection(NAME)

    async def add(self, user: User, now: datetime, *, session: Session) -> None:
        row = {"_id": ObjectId(user.id), "role": user.role, "profileId": user.profile_id, "at": now}
        await self._rows.insert_one(row, session=session)

    async def before(self, at: datetime, limit: int) -> list[Departure]:
        """The oldest first."""
        found = await self._rows.find({"at": {"$lt": at}}).sort("at", ASCENDING).to_list(limit)
        return [Departure(str(row["_id"]), row["role"], row["profileId"]) for row in found]

    async def done(self, user_id: str) -> None:
        await self._rows.delete_one({"_id": ObjectId(user_id)})
