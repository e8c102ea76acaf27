"""Events that Stripe told, stored before it is answered and worked on afterwards; each once, however often it is told.

Worked ones are kept for as long as Stripe lists them, so that what it tells or lists again is known.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from pymongo import ASCENDING, IndexModel
from pymongo.errors import DuplicateKeyError

from domain.payments import Incoming
from store.database import CollectionSchema, Database, Document
from store.failures import repository
from store.work_queue import WorkQueue, WorkRow, work_indexes

NAME = "stripeEvents"
# Stripe lists them for 30 days.
KEPT = timedelta(days=35)
SCHEMAS = (
    CollectionSchema(
        NAME,
        (
            IndexModel([("goneAt", ASCENDING)], name="gone", expireAfterSeconds=0),
            *work_indexes(only={"dueAt": {"$exists": True}}),
        ),
    ),
)


@repository
class StripeEvents:
    def __init__(self, database: Database) -> None:
        self._rows = database.collection(NAME)
        self.queue = WorkQueue(database, NAME, named=True)

    async def add(self, event: Incoming, now: datetime) -> bool:
        """To be worked on now; false when it is known."""
        named = {"account": event.account, "intent": event.intent, "purchase": event.purchase}
        row: Document = {"_id": event.id, "type": event.type, **{k: v for k, v in named.items() if v is not None}}
        try:
            await self._rows.insert_one({**row, "createdAt": now, "dueAt": now, "goneAt": now + KEPT})
        except DuplicateKeyError:
            return False
        return True

    async def unknown(self, ids: Sequence[str]) -> set[str]:
        """Those that were never stored."""
        found = await self._rows.find({"_id": {"$in": list(ids)}}, {"_id": 1}).to_list(None)
        return {*ids} - {one["_id"] for one in found}

    @staticmethod
    def row(claimed: WorkRow) -> Incoming:
        document = claimed.document
        return Incoming(
            id=document["_id"],
            type=document["type"],
            account=document.get("account"),
            intent=document.get("intent"),
            purchase=document.get("purchase"),
        )
