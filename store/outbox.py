"""Booking changes that were committed and may not have reached the log yet; rows go when they have."""

from __future__ import annotations

from datetime import timedelta

import msgspec
from bson import ObjectId
from pymongo import ASCENDING, IndexModel

from domain.booking_changes import BookingChange
from domain.stored import StoredFormat
from store.database import ClientSession, CollectionSchema, Database, Document
from store.failures import repository
from store.work_queue import Undated, WorkQueue, WorkRow, work_indexes

NAME = "outbox"
# A node that lives has appended what it committed long before that.
ABANDONED_AFTER = timedelta(seconds=5)
SCHEMAS = (
    CollectionSchema(
        NAME,
        (
            IndexModel([("booking", ASCENDING), ("version", ASCENDING)], name="effect", unique=True),
            *work_indexes(),
        ),
        # By createdAt; rows are found by "due" since.
        obsolete=("age",),
    ),
)
FORMAT = StoredFormat(BookingChange, msgspec.msgpack)


class OutboxRow(msgspec.Struct, frozen=True):
    """``version``: of the booking. ``encoded``: the change in ``format``, which another version of Spotter may have
    written."""

    booking_id: str
    version: int
    encoded: bytes
    format: int

    def change(self) -> BookingChange:
        """Raises ``msgspec.MsgspecError``."""
        return FORMAT.decode(self.encoded, self.format)


@repository
class Outbox:
    def __init__(self, database: Database) -> None:
        self._rows = database.collection(NAME)
        self.queue = WorkQueue(database, NAME, removes=True, undated=Undated("createdAt", ABANDONED_AFTER))

    async def add(self, change: BookingChange, *, session: ClientSession) -> None:
        await self._rows.insert_one(
            {
                "booking": ObjectId(change.booking.id),
                "version": change.booking.version,
                "change": FORMAT.encode(change),
                "format": FORMAT.version,
                "createdAt": change.booking.updated_at,
                "dueAt": change.booking.updated_at + ABANDONED_AFTER,
            },
            session=session,
        )

    @staticmethod
    def row(claimed: WorkRow) -> OutboxRow:
        return _row(claimed.document)

    async def of_booking(self, booking_id: str) -> list[OutboxRow]:
        """What the log may lack of a booking, in the order in which it happened."""
        found = self._rows.find({"booking": ObjectId(booking_id)}).sort("version", ASCENDING)
        return [_row(document) for document in await found.to_list(None)]

    async def done(self, row: OutboxRow) -> None:
        """It is in the log."""
        await self._rows.delete_one({"booking": ObjectId(row.booking_id), "version": row.version})


def _row(document: Document) -> OutboxRow:
    return OutboxRow(str(document["booking"]), document["version"], document["change"], document.get("format", 1))
