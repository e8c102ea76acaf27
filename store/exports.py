"""Exports that people asked for: one a person, from the asking until its archive goes."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec
from bson import ObjectId
from pymongo import ASCENDING, IndexModel
from pymongo.errors import DuplicateKeyError

from store.database import ClientSession, CollectionSchema, Database, Document
from store.failures import repository
from store.work_queue import WORK, WorkQueue, WorkRow, work_indexes

NAME = "exports"
SCHEMAS = (
    CollectionSchema(
        NAME,
        (IndexModel([("expiresAt", ASCENDING)], name="expiry", expireAfterSeconds=0), *work_indexes()),
    ),
)


class Export(msgspec.Struct, frozen=True, kw_only=True):
    """``file_id`` and ``expires_at`` once it is ready; ``failed``: it was tried too often."""

    user_id: str
    requested_at: datetime
    file_id: str | None = None
    expires_at: datetime | None = None
    failed: bool = False


@repository
class Exports:
    def __init__(self, database: Database) -> None:
        self._rows = database.collection(NAME)
        self.queue = WorkQueue(database, NAME)

    async def request(self, user_id: str, now: datetime, every: timedelta) -> bool:
        """A new one is to be made; false when one is being made, or was asked for less than ``every`` ago."""
        over: Document = {"$or": [
            {"fileId": {"$exists": True}, "requestedAt": {"$lte": now - every}},
            {f"{WORK}.deadAt": {"$exists": True}},
        ]}  # fmt: skip
        new: Document = {
            "$set": {"requestedAt": now, "dueAt": now},
            "$unset": {"fileId": "", "expiresAt": "", WORK: ""},
        }
        try:
            await self._rows.update_one({"_id": ObjectId(user_id), **over}, new, upsert=True)
        except DuplicateKeyError:
            return False
        return True

    async def of(self, user_id: str) -> Export | None:
        found = await self._rows.find_one({"_id": ObjectId(user_id)})
        return None if found is None else _export(found)

    @staticmethod
    def row(claimed: WorkRow) -> Export:
        return _export(claimed.document)

    async def ready(self, export: Export, file_id: str, expires_at: datetime) -> bool:
        """Its archive is there; false when nobody wants it any more."""
        mine = {"_id": ObjectId(export.user_id), "requestedAt": export.requested_at, "fileId": {"$exists": False}}
        made = {"$set": {"fileId": ObjectId(file_id), "expiresAt": expires_at}}
        return bool((await self._rows.update_one(mine, made)).matched_count)

    async def forget(self, user_id: str, *, session: ClientSession) -> None:
        await self._rows.delete_one({"_id": ObjectId(user_id)}, session=session)


def _export(document: Document) -> Export:
    return Export(
        user_id=str(document["_id"]),
        requested_at=document["requestedAt"],
        file_id=str(document["fileId"]) if "fileId" in document else None,
        expires_at=document.get("expiresAt"),
        failed="deadAt" in document.get(WORK, {}),
    )
