"""Credits whose money has gone while they were in use: a row a refund or dispute, gone when nothing is owed any more.

Written within the transactions of payments and bookings only.
"""

from __future__ import annotations

from datetime import datetime

from bson import ObjectId
from pymongo import ASCENDING, IndexModel, ReturnDocument

from domain.bookings import Booking
from domain.owed_credits import OwedCredits
from store import disputes, refunds, transactions
from store.database import ClientSession, CollectionSchema, Database, Document
from store.failures import repository

NAME = "owedCredits"
SCHEMAS = (
    CollectionSchema(
        NAME,
        (
            IndexModel([("client", ASCENDING), ("trainer", ASCENDING)], name="pair"),
            IndexModel([("cause", ASCENDING), ("causeId", ASCENDING)], name="cause"),
        ),
    ),
)


@repository
class OwedCreditRows:
    def __init__(self, database: Database) -> None:
        self._rows = database.collection(NAME)
        self._transactions = database.collection(transactions.NAME)
        self._refunds = database.collection(refunds.NAME)
        self._disputes = database.collection(disputes.NAME)

    async def add(self, owed: OwedCredits, *, session: ClientSession) -> None:
        row: Document = {
            "name": owed.name,
            "cause": owed.cause,
            "causeId": owed.cause_id,
            "transaction": ObjectId(owed.transaction_id),
            "client": ObjectId(owed.client_id),
            "trainer": ObjectId(owed.trainer_id),
            "credits": owed.credits,
            "createdAt": owed.at,
        }
        if owed.booking_id is not None:
            row["booking"] = ObjectId(owed.booking_id)
        await self._rows.insert_one(row, session=session)

    async def drop(self, cause: str, cause_id: str, *, session: ClientSession) -> int:
        """Its money has come back; answers how many were owed."""
        found = await self._rows.find({"cause": cause, "causeId": cause_id}, session=session).to_list(None)
        if found:
            await self._rows.delete_many({"_id": {"$in": [one["_id"] for one in found]}}, session=session)
        return sum(int(one["credits"]) for one in found)

    async def is_owed(self, booking: Booking) -> bool:
        """Whether what it was paid with goes when it comes back."""
        return await self._rows.find_one(_of(booking), {"_id": 1}) is not None

    async def take(self, booking: Booking, now: datetime, *, session: ClientSession) -> OwedCredits | None:
        """One credit comes back from this session: what it owes is settled with it, the oldest first. Nothing where
        nothing is owed; the ledger's entry is the caller's."""
        found = await self._rows.find_one_and_update(
            _of(booking),
            {"$inc": {"credits": -1}},
            sort=[("_id", ASCENDING)],
            return_document=ReturnDocument.AFTER,
            session=session,
        )
        if found is None:
            return None
        if found["credits"] == 0:
            await self._rows.delete_one({"_id": found["_id"]}, session=session)
        is_refund = found["cause"] == "refund"
        changed = {"creditsOwed": -1, "creditsRefunded" if is_refund else "creditsFrozen": 1}
        await self._transactions.update_one(
            {"_id": found["transaction"]}, {"$inc": changed, "$set": {"updatedAt": now}}, session=session
        )
        rows, row_id = (self._refunds, ObjectId(found["causeId"])) if is_refund else (self._disputes, found["causeId"])
        await rows.update_one({"_id": row_id}, {"$inc": {"credits": 1}}, session=session)
        return _record(found)


def _of(booking: Booking) -> Document:
    """Those that may be in this session."""
    return {
        "client": ObjectId(booking.client_id),
        "trainer": ObjectId(booking.trainer_id),
        "createdAt": {"$gte": booking.created_at},
        "$or": [{"booking": {"$exists": False}}, {"booking": ObjectId(booking.id)}],
    }


def _record(document: Document) -> OwedCredits:
    at: datetime = document["createdAt"]
    return OwedCredits(
        name=document["name"],
        cause=document["cause"],
        cause_id=document["causeId"],
        transaction_id=str(document["transaction"]),
        client_id=str(document["client"]),
        trainer_id=str(document["trainer"]),
        booking_id=str(document["booking"]) if "booking" in document else None,
        credits=document["credits"],
        at=at,
    )
