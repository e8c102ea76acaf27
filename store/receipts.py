"""Receipts that are still to be mailed: written with the payment that they tell of, gone when they are handed in."""

from __future__ import annotations

from datetime import datetime

from bson import ObjectId
from pymongo import ASCENDING, IndexModel

from domain.payments import NOTICE, PaymentNotice
from store.database import ClientSession, CollectionSchema, Database, Document
from store.failures import repository
from store.work_queue import WorkQueue, WorkRow, work_indexes

NAME = "receiptMails"
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
class Receipts:
    def __init__(self, database: Database) -> None:
        self._rows = database.collection(NAME)
        self.queue = WorkQueue(database, NAME, removes=True)

    async def add(self, notice: PaymentNotice, *, session: ClientSession) -> None:
        """To the client, of what was paid or given back; a dispute has none."""
        if notice.action not in ("paid", "refunded"):
            return
        await self._rows.insert_one(notice_row(notice, notice.at), session=session)

    @staticmethod
    def row(claimed: WorkRow) -> PaymentNotice:
        return stored_notice(claimed.document)


def notice_row(notice: PaymentNotice, due_at: datetime) -> Document:
    return {
        "transaction": ObjectId(notice.transaction_id),
        "effect": notice.effect,
        "notice": NOTICE.encode(notice),
        "format": NOTICE.version,
        "createdAt": notice.at,
        "dueAt": due_at,
    }


def stored_notice(document: Document) -> PaymentNotice:
    return NOTICE.decode(document["notice"], document["format"])
