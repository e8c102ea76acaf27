"""Erased accounts whose money is still to be settled: what can no longer be used is refunded, nothing more is paid."""

from __future__ import annotations

from datetime import datetime

import msgspec
from bson import ObjectId
from pymongo.errors import DuplicateKeyError

from domain.accounts import Role, User
from store.database import ClientSession, CollectionSchema, Database, Document
from store.failures import repository
from store.work_queue import WORK, WorkQueue, WorkRow, work_indexes

NAME = "finalRefunds"
SCHEMAS = (CollectionSchema(NAME, work_indexes()),)


class Erased(msgspec.Struct, frozen=True, kw_only=True):
    """``role``: "client" or "trainer"; ``customer``: the client's at Stripe."""

    role: Role
    profile_id: str
    customer: str | None
    at: datetime


@repository
class FinalRefunds:
    def __init__(self, database: Database) -> None:
        self._rows = database.collection(NAME)
        self.queue = WorkQueue(database, NAME, removes=True)

    async def add(self, user: User, customer: str | None, now: datetime, *, session: ClientSession) -> None:
        """In the erasure's transaction; administrators have nothing to settle."""
        if user.role not in ("client", "trainer"):
            return
        row: Document = {
            "_id": ObjectId(user.id), "role": user.role, "profileId": ObjectId(user.profile_id), "at": now
        }  # fmt: skip
        if customer is not None:
            row["customer"] = customer
        await self._rows.insert_one({**row, "dueAt": now}, session=session)

    async def again(self, user: User, now: datetime) -> None:
        """Something came back to who was erased before. A row that is being worked on is not claimed by a second node
        for that, but looked at once more after its claim: its end finds another instant than it left."""
        claimed = {"$ifNull": [{"$add": ["$dueAt", 1]}, now]}
        row = {
            "role": user.role,
            "profileId": ObjectId(user.profile_id),
            "at": now,
            "dueAt": {"$cond": [{"$eq": [{"$type": f"${WORK}"}, "missing"]}, now, claimed]},
        }
        try:
            await self._rows.update_one({"_id": ObjectId(user.id)}, [{"$set": row}], upsert=True)
        except DuplicateKeyError:
            # Another node was faster.
            return

    @staticmethod
    def row(claimed: WorkRow) -> Erased:
        document = claimed.document
        return Erased(
            role=document["role"],
            profile_id=str(document["profileId"]),
            customer=document.get("customer"),
            at=document["at"],
        )
