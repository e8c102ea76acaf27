"""Digests of unread messages: one row a user who may have some, due after a while."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from bson import ObjectId
from pymongo import InsertOne
from pymongo.errors import BulkWriteError

from store.conversations import PARTICIPANTS
from store.database import ClientSession, CollectionSchema, Database
from store.failures import DUPLICATE_KEY, repository
from store.work_queue import WORK, WorkQueue, WorkRow, work_indexes

NAME = "digests"
SCHEMAS = (CollectionSchema(NAME, work_indexes()),)
# Nobody gets more than one in so long.
PAUSE = timedelta(hours=20)


@repository
class Digests:
    def __init__(self, database: Database) -> None:
        self._rows = database.collection(NAME)
        self._participants = database.collection(PARTICIPANTS)
        self.queue = WorkQueue(database, NAME)

    async def note(self, user_ids: Sequence[ObjectId], now: datetime, after: timedelta) -> None:
        """They may have unread messages: each is looked at after a while, unless that is to happen already."""
        wanted = set(user_ids)
        found = self._rows.find({"_id": {"$in": list(wanted)}}, {"sentAt": 1, "dueAt": 1})
        known = {one["_id"]: one async for one in found}
        for row in known.values():
            if "dueAt" in row:
                continue
            at = max(now + after, row["sentAt"] + PAUSE) if "sentAt" in row else now + after
            due = {"$set": {"dueAt": at}, "$unset": {WORK: ""}}
            await self._rows.update_one({"_id": row["_id"], "dueAt": None}, due)
        new = [InsertOne({"_id": one, "dueAt": now + after}) for one in wanted - known.keys()]
        if not new:
            return
        try:
            await self._rows.bulk_write(new, ordered=False)
        except BulkWriteError as error:
            # Another node was faster.
            if any(one["code"] != DUPLICATE_KEY for one in error.details["writeErrors"]):
                raise

    async def sent(self, claimed: WorkRow, heads: dict[str, int], now: datetime) -> None:
        """``heads``: by participant, up to where it was told of; none of that is told again."""
        for participant_id, head in heads.items():
            await self._participants.update_one({"_id": ObjectId(participant_id)}, {"$max": {"digestSeq": head}})
        await self._rows.update_one({"_id": claimed.id}, {"$set": {"sentAt": now}})

    async def heads_sent(self, user_id: str) -> dict[str, int]:
        """Up to where the user was told, by participant."""
        found = self._participants.find({"userId": ObjectId(user_id)}, {"digestSeq": 1})
        return {str(one["_id"]): one.get("digestSeq", 0) async for one in found}

    async def forget(self, user_id: str, *, session: ClientSession | None = None) -> None:
        await self._rows.delete_one({"_id": ObjectId(user_id)}, session=session)


def user_of(claimed: WorkRow) -> str:
    return str(claimed.id)
