"""Booking changes that were committed and may not have reached the log yet; rows go when they have."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec
from bson import ObjectId
from pymongo import ASCENDING, IndexModel

from domain.booking_changes import Change
from domain.stored import StoredFormat
from store.database import ClientSession, CollectionSchema, Database, Document, repository

NAME = "outbox"
SCHEMAS = (
    CollectionSchema(
        NAME,
        (
            IndexModel([("booking", ASCENDING), ("version", ASCENDING)], name="effect", unique=True),
            IndexModel([("createdAt", ASCENDING)], name="age"),
        ),
    ),
)
FORMAT = StoredFormat(Change, msgspec.msgpack)


@repository
class Outbox:
    def __init__(self, database: Database) -> None:
        self._rows = database.collection(NAME)

    async def add(self, change: Change, *, session: ClientSession) -> None:
        await self._rows.insert_one(
            {
                "booking": ObjectId(change.booking.id),
                "version": change.booking.version,
                "change": FORMAT.encode(change),
                "format": FORMAT.version,
                "createdAt": change.booking.updated_at,
            },
            session=session,
        )

    async def of_booking(self, booking_id: str) -> list[Change]:
        """What the log may lack of a booking, in the order in which it happened."""
        found = self._rows.find({"booking": ObjectId(booking_id)}).sort("version", ASCENDING)
        return [FORMAT.decode(row["change"], row.get("format", 1)) for row in await found.to_list(None)]

    async def done(self, change: Change) -> None:
        """It is in the log."""
        await self._rows.delete_one({"booking": ObjectId(change.booking.id), "version": change.booking.version})

    async def claim_stale(self, now: datetime, age: timedelta, lasting: timedelta) -> str | None:
        """A booking with a row that was left behind, for this node alone for a while."""
        free: Document = {"$or": [{"claimedUntil": {"$exists": False}}, {"claimedUntil": {"$lte": now}}]}
        found = await self._rows.find_one_and_update(
            {"createdAt": {"$lte": now - age}, **free},
            {"$set": {"claimedUntil": now + lasting}},
            {"booking": 1},
            sort=[("createdAt", ASCENDING)],
        )
        return str(found["booking"]) if found else None
