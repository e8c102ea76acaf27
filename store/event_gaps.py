"""How far Stripe's list of events has been compared with what it told: one row, and durable work for ever."""

from __future__ import annotations

from datetime import datetime, timedelta

from pymongo.errors import DuplicateKeyError

from store.database import CollectionSchema, Database
from store.failures import repository
from store.work_queue import WORK, WorkQueue, WorkRow, work_indexes

NAME = "stripeEventGaps"
_ONE = "events"
FIRST_AFTER = timedelta(minutes=5)
SCHEMAS = (CollectionSchema(NAME, work_indexes()),)


@repository
class EventGaps:
    def __init__(self, database: Database) -> None:
        self._rows = database.collection(NAME)
        self.queue = WorkQueue(database, NAME)

    async def begin(self, now: datetime) -> None:
        """From the first start on; however often."""
        row = {"seenUntil": now, "dueAt": now + FIRST_AFTER}
        try:
            await self._rows.update_one({"_id": _ONE}, {"$setOnInsert": row}, upsert=True)
        except DuplicateKeyError:
            # Another node that starts was faster.
            return

    @staticmethod
    def seen_until(claimed: WorkRow) -> datetime:
        found: datetime = claimed.document["seenUntil"]
        return found

    async def closed(self, claimed: WorkRow, until: datetime, next_at: datetime) -> None:
        """All up to then is known."""
        await self._rows.update_one(
            {"_id": _ONE, "dueAt": claimed.until},
            {"$set": {"seenUntil": until, "dueAt": next_at}, "$unset": {WORK: ""}},
        )
