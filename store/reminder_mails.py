"""Mails that remind of a session and are still to be handed in: a row a recipient, written with the note in the booking
that the reminder was given."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec
from bson import ObjectId

from domain.bookings import Booking
from domain.reminders import ReminderNotice
from store.database import ClientSession, CollectionSchema, Database
from store.failures import repository
from store.work_queue import WorkQueue, WorkRow, work_indexes

NAME = "reminderMails"
SCHEMAS = (CollectionSchema(NAME, work_indexes()),)


class ReminderMail(msgspec.Struct, frozen=True, kw_only=True):
    """``starts_at``: the start that is reminded of, ``hours`` before it."""

    booking_id: str
    user_id: str
    hours: int
    starts_at: datetime


@repository
class ReminderMails:
    def __init__(self, database: Database) -> None:
        self._rows = database.collection(NAME)
        self.queue = WorkQueue(database, NAME, removes=True)

    async def add(
        self, booking: Booking, notices: Sequence[ReminderNotice], now: datetime, *, session: ClientSession
    ) -> None:
        rows = [
            {
                "booking": ObjectId(booking.id),
                "user": ObjectId(notice.parties(booking)[0]),
                "hours": notice.hours,
                "startsAt": booking.starts_at,
                "createdAt": now,
                "dueAt": now,
            }
            for notice in notices
        ]
        await self._rows.insert_many(rows, session=session)

    @staticmethod
    def row(claimed: WorkRow) -> ReminderMail:
        found = claimed.document
        return ReminderMail(
            booking_id=str(found["booking"]),
            user_id=str(found["user"]),
            hours=found["hours"],
            starts_at=found["startsAt"],
        )
