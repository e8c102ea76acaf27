"""The Transaction table. A row is the persisted intent behind each call to Stripe; an open one is durable work."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from bson import ObjectId
from pymongo import ASCENDING, DESCENDING, IndexModel, ReturnDocument

from domain.accounts import Role
from domain.payments import OPEN, Transaction, TransactionStatus
from domain.refunds import REFUNDABLE
from store.database import ClientSession, CollectionSchema, Database, Document
from store.failures import repository
from store.work_queue import WORK, WorkQueue, WorkRow, work_indexes

NAME = "transactions"
# Whoever sells finishes what comes after the commit itself; after that any node does.
FIRST_LOOK = timedelta(seconds=30)
SCHEMAS = (
    CollectionSchema(
        NAME,
        (
            IndexModel(
                [("transactionId", ASCENDING)],
                name="intent",
                unique=True,
                partialFilterExpression={"transactionId": {"$exists": True}},
            ),
            IndexModel(
                [("booking", ASCENDING)],
                name="booking",
                unique=True,
                partialFilterExpression={"booking": {"$exists": True}},
            ),
            IndexModel([("client", ASCENDING), ("_id", DESCENDING)], name="ofClient"),
            IndexModel([("trainer", ASCENDING), ("_id", DESCENDING)], name="ofTrainer"),
            IndexModel([("status", ASCENDING), ("_id", DESCENDING)], name="status"),
            IndexModel([("createdAt", ASCENDING)], name="begun"),
            IndexModel(
                [("trainer", ASCENDING), ("paidAt", DESCENDING), ("_id", DESCENDING)],
                name="earned",
                partialFilterExpression={"paidAt": {"$exists": True}},
            ),
            *work_indexes(only={"dueAt": {"$exists": True}}),
        ),
    ),
)


@repository
class Transactions:
    def __init__(self, database: Database) -> None:
        self._rows = database.collection(NAME)
        self.queue = WorkQueue(database, NAME)

    @staticmethod
    def new_id() -> str:
        return str(ObjectId())

    async def insert(self, transaction: Transaction, *, session: ClientSession) -> None:
        await self._rows.insert_one(
            {**_document(transaction), "dueAt": transaction.created_at + FIRST_LOOK}, session=session
        )

    async def by_id(self, transaction_id: str) -> Transaction | None:
        found = await self._rows.find_one({"_id": ObjectId(transaction_id)})
        return None if found is None else transaction_record(found)

    async def by_intent(self, intent_id: str) -> Transaction | None:
        found = await self._rows.find_one({"transactionId": intent_id})
        return None if found is None else transaction_record(found)

    async def by_ids(self, ids: Collection[str]) -> dict[str, Transaction]:
        return await self._each("_id", [ObjectId(one) for one in ids])

    async def by_intents(self, intent_ids: Collection[str]) -> dict[str, Transaction]:
        """By those ids."""
        return await self._each("transactionId", list(intent_ids))

    async def _each(self, name: str, values: list[Any]) -> dict[str, Transaction]:
        found = await self._rows.find({name: {"$in": values}}).to_list(None) if values else []
        return {str(one[name]): transaction_record(one) for one in found}

    async def intents_between(self, since: datetime, until: datetime) -> set[str]:
        """The ids at Stripe of those begun then."""
        query = {"createdAt": {"$gte": since, "$lt": until}, "transactionId": {"$exists": True}}
        found = await self._rows.find(query, {"transactionId": 1, "_id": 0}).to_list(None)
        return {one["transactionId"] for one in found}

    async def open_of(self, role: Role, profile_id: str) -> list[Transaction]:
        """Those of a client or a trainer that may still be paid."""
        query = {role: ObjectId(profile_id), "status": {"$in": list(OPEN)}, "closed": {"$ne": True}}
        return [transaction_record(one) for one in await self._rows.find(query).to_list(None)]

    async def paid_between(self, client_id: str, trainer_id: str) -> list[Transaction]:
        """Those of the two with something left to refund, the newest first."""
        query = {
            "client": ObjectId(client_id), "trainer": ObjectId(trainer_id), "status": {"$in": list(REFUNDABLE)}
        }  # fmt: skip
        found = await self._rows.find(query).sort("_id", DESCENDING).to_list(None)
        return [transaction_record(one) for one in found]

    async def by_booking(self, booking_id: str) -> Transaction | None:
        """The one that pays for it, where that is done by card."""
        found = await self._rows.find_one({"booking": ObjectId(booking_id)})
        return None if found is None else transaction_record(found)

    async def page(
        self,
        before: str | None,
        limit: int,
        *,
        client_id: str | None = None,
        trainer_id: str | None = None,
        status: TransactionStatus | None = None,
    ) -> list[Transaction]:
        """Newest first; of a client, of a trainer, in a status, or all."""
        query: Document = {} if status is None else {"status": status}
        for name, profile_id in (("client", client_id), ("trainer", trainer_id)):
            if profile_id is not None:
                query[name] = ObjectId(profile_id)
        if before is not None:
            query["_id"] = {"$lt": ObjectId(before)}
        found = await self._rows.find(query).sort("_id", DESCENDING).limit(limit).to_list(None)
        return [transaction_record(one) for one in found]

    async def remember_intent(self, transaction: Transaction, intent_id: str) -> Transaction | None:
        """The intent that Stripe made for it: the same one however often it is asked. Nothing for one that was closed
        before: then nobody may ever be told how to pay it."""
        found = await self._rows.find_one_and_update(
            {
                "_id": ObjectId(transaction.id),
                "$or": [{"transactionId": intent_id}, {"transactionId": {"$exists": False}, "closed": {"$ne": True}}],
            },
            {"$set": {"transactionId": intent_id}},
            return_document=ReturnDocument.AFTER,
        )
        return None if found is None else transaction_record(found)

    async def fail(self, transaction: Transaction, now: datetime, *, closed: bool) -> Transaction:
        """Not paid; ``closed``: and never will be, unless its intent has become known meanwhile. Answers what holds
        now."""
        known: Document = {"_id": ObjectId(transaction.id), "status": {"$in": list(OPEN)}, "closed": {"$ne": True}}
        if closed:
            known["transactionId"] = transaction.intent_id or {"$exists": False}
        found = await self._rows.find_one_and_update(
            known,
            {"$set": {"status": "failed", "updatedAt": now, **({"closed": True} if closed else {})}},
            return_document=ReturnDocument.AFTER,
        )
        return transaction_record(found) if found else await self.by_id(transaction.id) or transaction

    async def pay(self, transaction: Transaction, now: datetime, *, session: ClientSession) -> Transaction | None:
        """Paid; nothing when it was before."""
        found = await self._rows.find_one_and_update(
            {"_id": ObjectId(transaction.id), "status": {"$in": list(OPEN)}},
            {"$set": {"status": "paid", "paidAt": now, "updatedAt": now}, "$unset": {"dueAt": "", WORK: ""}},
            return_document=ReturnDocument.AFTER,
            session=session,
        )
        return None if found is None else transaction_record(found)

    async def put_refunded(
        self, before: Transaction, after: Transaction, now: datetime, *, session: ClientSession
    ) -> bool:
        """What has been refunded of it; false when that has changed meanwhile."""
        changed = {
            "status": after.status,
            "creditsRefunded": after.credits_refunded,
            "amountRefunded": after.amount_refunded,
            "creditsOwed": after.credits_owed,
        }
        return await self._put(before, changed, now, session)

    async def put_disputed(
        self, before: Transaction, after: Transaction, now: datetime, *, session: ClientSession
    ) -> bool:
        """What is disputed of it; false as above."""
        changed = {
            "dispute": after.dispute,
            "amountDisputed": after.amount_disputed,
            "creditsFrozen": after.credits_frozen,
            "creditsOwed": after.credits_owed,
        }
        return await self._put(before, changed, now, session)

    async def _put(self, before: Transaction, changed: Document, now: datetime, session: ClientSession) -> bool:
        known: Document = {
            "_id": ObjectId(before.id),
            "status": before.status,
            "creditsRefunded": before.credits_refunded,
            "amountRefunded": before.amount_refunded,
            "dispute": before.dispute,
            # Rows that were never disputed have none of these.
            "creditsFrozen": before.credits_frozen or {"$in": [None, 0]},
            "creditsOwed": before.credits_owed or {"$in": [None, 0]},
        }
        update = {"$set": {**changed, "updatedAt": now}}
        return bool((await self._rows.update_one(known, update, session=session)).matched_count)

    # --- due work ---

    @staticmethod
    def row(claimed: WorkRow) -> Transaction:
        return transaction_record(claimed.document)


def _document(transaction: Transaction) -> Document:
    document: Document = {
        "_id": ObjectId(transaction.id),
        "client": ObjectId(transaction.client_id),
        "trainer": ObjectId(transaction.trainer_id),
        "clientUser": ObjectId(transaction.client_user_id),
        "trainerUser": ObjectId(transaction.trainer_user_id),
        "pack": transaction.pack,
        "credits": transaction.credits,
        "amount": transaction.amount,
        "currency": transaction.currency,
        "fee": transaction.fee,
        "destination": transaction.destination,
        "status": transaction.status,
        "creditsRefunded": transaction.credits_refunded,
        "amountRefunded": transaction.amount_refunded,
        "createdAt": transaction.created_at,
        "updatedAt": transaction.updated_at,
    }
    if transaction.booking_id is not None:
        document["booking"] = ObjectId(transaction.booking_id)
        document["heldUntil"] = transaction.held_until
    if transaction.intent_id is not None:
        document["transactionId"] = transaction.intent_id
    return document


def transaction_record(document: Document) -> Transaction:
    return Transaction(
        id=str(document["_id"]),
        client_id=str(document["client"]),
        trainer_id=str(document["trainer"]),
        client_user_id=str(document["clientUser"]),
        trainer_user_id=str(document["trainerUser"]),
        pack=document["pack"],
        credits=document["credits"],
        amount=document["amount"],
        currency=document["currency"],
        fee=document["fee"],
        destination=document["destination"],
        status=document["status"],
        closed=document.get("closed", False),
        intent_id=document.get("transactionId"),
        booking_id=str(document["booking"]) if "booking" in document else None,
        held_until=document.get("heldUntil"),
        credits_refunded=document.get("creditsRefunded", 0),
        amount_refunded=document.get("amountRefunded", 0),
        dispute=document.get("dispute"),
        amount_disputed=document.get("amountDisputed", 0),
        credits_frozen=document.get("creditsFrozen", 0),
        credits_owed=document.get("creditsOwed", 0),
        paid_at=document.get("paidAt"),
        created_at=document["createdAt"],
        updated_at=document["updatedAt"],
    )
