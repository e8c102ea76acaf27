"""Refunds: each the persisted intent behind a call to Stripe, and durable work until Stripe has answered."""

from __future__ import annotations

from datetime import datetime, timedelta

from bson import ObjectId
from pymongo import ASCENDING, IndexModel

from domain.refunds import Refund
from store.database import ClientSession, CollectionSchema, Database, Document
from store.failures import repository
from store.work_queue import WORK, WorkQueue, WorkRow, work_indexes

NAME = "refunds"
FIRST_LOOK = timedelta(seconds=30)
SCHEMAS = (
    CollectionSchema(
        NAME,
        (
            IndexModel(
                [("refundId", ASCENDING)],
                name="stripe",
                unique=True,
                partialFilterExpression={"refundId": {"$exists": True}},
            ),
            IndexModel([("transaction", ASCENDING)], name="transaction"),
            *work_indexes(only={"dueAt": {"$exists": True}}),
        ),
    ),
)


@repository
class Refunds:
    def __init__(self, database: Database) -> None:
        self._rows = database.collection(NAME)
        self.queue = WorkQueue(database, NAME)

    @staticmethod
    def new_id() -> str:
        return str(ObjectId())

    async def insert(self, refund: Refund, *, session: ClientSession) -> None:
        """One that Stripe has made is over. Raises ``DuplicateKeyError`` when that is known."""
        row: Document = {
            "_id": ObjectId(refund.id),
            "transaction": ObjectId(refund.transaction_id),
            "credits": refund.credits,
            "amount": refund.amount,
            "reverses": refund.reverses,
            "createdAt": refund.created_at,
        }
        if refund.reason is not None:
            row["reason"] = refund.reason
        if refund.by is not None:
            row["by"] = ObjectId(refund.by)
        if refund.stripe_id is None:
            row["dueAt"] = refund.created_at + FIRST_LOOK
        else:
            row["refundId"] = refund.stripe_id
        await self._rows.insert_one(row, session=session)

    async def by_id(self, refund_id: str) -> tuple[Refund, bool] | None:
        """And whether Stripe refused it."""
        found = await self._rows.find_one({"_id": ObjectId(refund_id)})
        return None if found is None else (refund_record(found), found.get("refused", False))

    async def by_stripe_id(self, stripe_id: str) -> tuple[Refund, bool] | None:
        """And whether the bank has sent it back."""
        found = await self._rows.find_one({"refundId": stripe_id})
        return None if found is None else (refund_record(found), found.get("failed", False))

    async def open_of(self, transaction_id: str) -> list[Refund]:
        """Those that Stripe has not answered yet."""
        unanswered = {"refundId": {"$exists": False}, "refused": {"$ne": True}}
        found = await self._rows.find({"transaction": ObjectId(transaction_id), **unanswered}).to_list(None)
        return [refund_record(one) for one in found]

    async def fail(self, refund: Refund, *, session: ClientSession) -> bool:
        """The bank has sent the money back; false when that was known, or more credits were taken for it meanwhile."""
        made = {"_id": ObjectId(refund.id), "failed": {"$ne": True}, "credits": refund.credits}
        return bool((await self._rows.update_one(made, {"$set": {"failed": True}}, session=session)).matched_count)

    async def finish(self, refund: Refund, stripe_id: str | None, *, session: ClientSession) -> bool:
        """Stripe has made it or, with nothing, refused it; false when that was known."""
        how: Document = {"refused": True} if stripe_id is None else {"refundId": stripe_id}
        open_one = {"_id": ObjectId(refund.id), "refundId": {"$exists": False}, "refused": {"$ne": True}}
        update = {"$set": how, "$unset": {"dueAt": "", WORK: ""}}
        return bool((await self._rows.update_one(open_one, update, session=session)).matched_count)

    @staticmethod
    def row(claimed: WorkRow) -> Refund:
        return refund_record(claimed.document)


def refund_record(document: Document) -> Refund:
    created_at: datetime = document["createdAt"]
    return Refund(
        id=str(document["_id"]),
        transaction_id=str(document["transaction"]),
        credits=document["credits"],
        amount=document["amount"],
        reason=document.get("reason"),
        by=str(document["by"]) if "by" in document else None,
        stripe_id=document.get("refundId"),
        reverses=document.get("reverses", True),
        created_at=created_at,
    )
