"""Payments that were committed and may not have reached the log yet; rows go when they have."""

from __future__ import annotations

from datetime import timedelta

from bson import ObjectId
from pymongo import ASCENDING, IndexModel

from domain.payments import PaymentNotice
from store.database import ClientSession, CollectionSchema, Database
from store.failures import repository
from store.receipts import Receipts, notice_row, stored_notice
from store.work_queue import WorkQueue, WorkRow, work_indexes

NAME = "paymentNotices"
# A node that lives has appended what it committed long before that.
ABANDONED_AFTER = timedelta(seconds=5)
SCHEMAS = (
    CollectionSchema(
        NAME,
        (
            IndexModel([("transaction", ASCENDING), ("effect", ASCENDING)], name="effect", unique=True),
            *work_indexes(),
        ),
    ),
)


@repository
class PaymentNotices:
    def __init__(self, database: Database, receipts: Receipts) -> None:
        self._rows = database.collection(NAME)
        self._receipts = receipts
        self.queue = WorkQueue(database, NAME, removes=True)

    async def add(self, notice: PaymentNotice, *, session: ClientSession) -> None:
        """With its receipt."""
        await self._receipts.add(notice, session=session)
        await self._rows.insert_one(notice_row(notice, notice.at + ABANDONED_AFTER), session=session)

    @staticmethod
    def row(claimed: WorkRow) -> PaymentNotice:
        return stored_notice(claimed.document)

    async def of_transaction(self, transaction_id: str) -> list[PaymentNotice]:
        """What the log may lack of a payment, in the order in which it happened."""
        found = self._rows.find({"transaction": ObjectId(transaction_id)}).sort("_id", ASCENDING)
        return [stored_notice(document) for document in await found.to_list(None)]

    async def done(self, notice: PaymentNotice) -> None:
        """It is in the log."""
        await self._rows.delete_one({"transaction": ObjectId(notice.transaction_id), "effect": notice.effect})
