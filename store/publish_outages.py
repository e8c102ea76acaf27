"""Nodes that may have committed entries without publishing them: those that do not reach Redis, and those that died.

A row is the time in which that may have been; it is durable work (``handlers/messages/recovery.py``).
"""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from store.database import CollectionSchema, Database, Document
from store.failures import repository
from store.work_queue import WORK, Undated, WorkQueue, WorkRow, work_indexes

# As it was called first; names of collections stay.
NAME = "silences"
# Whoever lives writes each second that it is cut off; clocks differ, and MongoDB may be away as well.
OUTAGE_OVER_AFTER = timedelta(seconds=15)
SCHEMAS = (CollectionSchema(NAME, work_indexes(), obsolete=("age",)),)


class PublishOutage(msgspec.Struct, frozen=True):
    """``at``: when the node last wrote that it lives; ``dead``: its lease ran out. ``looks``: how often it was looked
    for what the node left."""

    node: str
    since: datetime
    at: datetime
    dead: bool = False
    looks: int = 0


@repository
class PublishOutages:
    def __init__(self, database: Database) -> None:
        self._rows = database.collection(NAME)
        self.queue = WorkQueue(
            database, NAME, removes=True, undated=Undated("at", OUTAGE_OVER_AFTER), named=True
        )  # fmt: skip

    async def keep(self, outage: PublishOutage) -> None:
        update = {
            "$set": {"at": outage.at, "dueAt": outage.at + OUTAGE_OVER_AFTER},
            "$setOnInsert": {"since": outage.since},
            "$unset": {WORK: "", "looks": ""},
        }
        await self._rows.update_one({"_id": outage.node}, update, upsert=True)

    async def note_dead(self, node: str, since: datetime, at: datetime, now: datetime) -> None:
        """Its lease ran out. Noting it again changes nothing for as long as the row is there."""
        row = {"since": since, "at": at, "dead": True, "dueAt": now}
        await self._rows.update_one({"_id": node}, {"$setOnInsert": row}, upsert=True)

    async def look_again(self, claimed: WorkRow, at: datetime, looks: int) -> None:
        """The row is due once more; nothing when it was changed since it was claimed."""
        await self.queue.reschedule(claimed, at, {"looks": looks})

    async def end(self, node: str) -> None:
        """It has published what it could not."""
        await self._rows.delete_one({"_id": node})

    @staticmethod
    def row(claimed: WorkRow) -> PublishOutage:
        return _outage(claimed.document)


def _outage(row: Document) -> PublishOutage:
    return PublishOutage(row["_id"], row["since"], row["at"], row.get("dead", False), row.get("looks", 0))
