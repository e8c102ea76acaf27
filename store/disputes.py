"""Disputes: what has been done about each, and durable work until it is decided."""

from __future__ import annotations

from datetime import datetime, timedelta

from bson import ObjectId

from domain.disputes import Dispute
from store.database import ClientSession, CollectionSchema, Database, Document
from store.failures import repository
from store.work_queue import WORK, WorkQueue, WorkRow, work_indexes

NAME = "disputes"
# An event tells of what comes; and any node looks.
NEXT_LOOK = timedelta(seconds=30)
SCHEMAS = (
    CollectionSchema(
        NAME,
        work_indexes(only={"dueAt": {"$exists": True}}),
        obsolete=("transaction",),
    ),
)


@repository
class Disputes:
    def __init__(self, database: Database) -> None:
        self._rows = database.collection(NAME)
        self.queue = WorkQueue(database, NAME, named=True)

    async def by_id(self, dispute_id: str) -> Dispute | None:
        found = await self._rows.find_one({"_id": dispute_id})
        return None if found is None else _record(found)

    async def put(self, before: Dispute | None, after: Dispute, now: datetime, *, session: ClientSession) -> bool:
        """False when it has changed meanwhile; raises ``DuplicateKeyError`` for one that is new no more."""
        state: Document = {
            "status": after.status,
            "credits": after.credits,
            "freezes": after.freezes,
            "updatedAt": now,
            "dueAt": now + NEXT_LOOK,
        }
        if before is None:
            first: Document = {
                "_id": after.id,
                "transaction": ObjectId(after.transaction_id),
                "amount": after.amount,
                "createdAt": after.created_at,
            }
            await self._rows.insert_one(first | state, session=session)
            return True
        known = {"_id": before.id, "status": before.status, "credits": before.credits, "freezes": before.freezes}
        update: Document = {"$set": state, "$unset": {WORK: ""}}
        return bool((await self._rows.update_one(known, update, session=session)).matched_count)

    @staticmethod
    def row(claimed: WorkRow) -> Dispute:
        return _record(claimed.document)


def _record(document: Document) -> Dispute:
    created_at: datetime = document["createdAt"]
    return Dispute(
        id=document["_id"],
        transaction_id=str(document["transaction"]),
        amount=document["amount"],
        status=document["status"],
        credits=document["credits"],
        freezes=document["freezes"],
        created_at=created_at,
    )
