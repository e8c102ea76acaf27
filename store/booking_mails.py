"""Mails about bookings that are still to be handed in: a row a recipient, written with the change that it tells of."""

from __future__ import annotations

from datetime import datetime

import msgspec
from bson import ObjectId
from pymongo import ASCENDING, IndexModel

from domain.booking_changes import BookingChange
from domain.bookings import Action, Party
from store.database import ClientSession, CollectionSchema, Database, Document
from store.failures import repository
from store.work_queue import WorkQueue, WorkRow, work_indexes

NAME = "bookingMails"
SCHEMAS = (
    CollectionSchema(
        NAME,
        (
            IndexModel(
                [("booking", ASCENDING), ("version", ASCENDING), ("user", ASCENDING)], name="effect", unique=True
            ),
            *work_indexes(),
        ),
    ),
)


class BookingMail(msgspec.Struct, frozen=True, kw_only=True):
    """``time_zone``: the session's. ``at``: when it became so. ``previous``: start and end of one that was moved."""

    booking_id: str
    version: int
    user_id: str
    other_id: str
    action: Action
    by: Party | None
    starts_at: datetime
    ends_at: datetime
    previous: tuple[datetime, datetime] | None
    time_zone: str
    at: datetime


@repository
class BookingMails:
    def __init__(self, database: Database) -> None:
        self._rows = database.collection(NAME)
        self.queue = WorkQueue(database, NAME, removes=True)

    async def add(self, change: BookingChange, *, session: ClientSession) -> None:
        """For both parties."""
        booking = change.booking
        row: Document = {
            "booking": ObjectId(booking.id),
            "version": booking.version,
            "action": change.action,
            "by": change.by,
            "startsAt": booking.starts_at,
            "endsAt": booking.ends_at,
            "timeZone": booking.time_zone,
            "createdAt": booking.updated_at,
            "dueAt": booking.updated_at,
        }
        if change.action == "rescheduled" and change.was is not None:
            row |= {"previousStartsAt": change.was.starts_at, "previousEndsAt": change.was.ends_at}
        own, other = map(ObjectId, booking.user_ids)
        rows = [{**row, "user": own, "other": other}, {**row, "user": other, "other": own}]
        await self._rows.insert_many(rows, session=session)

    @staticmethod
    def row(claimed: WorkRow) -> BookingMail:
        found = claimed.document
        moved = "previousStartsAt" in found
        return BookingMail(
            booking_id=str(found["booking"]),
            version=found["version"],
            user_id=str(found["user"]),
            other_id=str(found["other"]),
            action=found["action"],
            by=found["by"],
            starts_at=found["startsAt"],
            ends_at=found["endsAt"],
            previous=(found["previousStartsAt"], found["previousEndsAt"]) if moved else None,
            time_zone=found["timeZone"],
            at=found["createdAt"],
        )
