"""How far Stripe's lists, of events and of payments, have been compared with ours: a row each, and durable work for
ever."""

from __future__ import annotations

from datetime import datetime, timedelta

from store.database import CollectionSchema, Database
from store.failures import repository
from store.work_queue import WorkQueue, WorkRow, work_indexes

# As it was called when it had the list of events alone.
NAME = "stripeEventGaps"
EVENTS, PAYMENTS = "events", "payments"
SCHEMAS = (CollectionSchema(NAME, work_indexes()),)


@repository
class StripeListCursor:
    def __init__(self, database: Database, one: str, first_after: timedelta) -> None:
        self._one = one
        self._first_after = first_after
        # The id is what sets the two apart, and needs no further index.
        self.queue = WorkQueue(database, NAME, shared={"_id": one}, named=True)

    async def begin(self, now: datetime) -> None:
        """From the first start on; however often."""
        await self.queue.begin(self._one, now + self._first_after, {"seenUntil": now})

    @staticmethod
    def seen_until(claimed: WorkRow) -> datetime:
        found: datetime = claimed.document["seenUntil"]
        return found

    async def advance(self, claimed: WorkRow, until: datetime, next_at: datetime) -> None:
        """All up to then is known."""
        await self.queue.reschedule(claimed, next_at, {"seenUntil": until})
