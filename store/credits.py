"""The ledger of credits, append-only, and the Credit table, its projection; both change in one commit."""

from __future__ import annotations

from datetime import datetime

from bson import ObjectId
from pymongo import ASCENDING, IndexModel, ReturnDocument
from pymongo.errors import DuplicateKeyError

from domain.credits import Balance, CreditEntry
from domain.errors import Code, DomainError
from store.database import Database, Document, Session
from store.failures import repository
from store.schema import CollectionSchema

BALANCES = "credits"
ENTRIES = "creditEntries"
SCHEMAS = (
    CollectionSchema(
        BALANCES,
        (IndexModel([("client", ASCENDING), ("trainer", ASCENDING)], name="pair", unique=True),),
    ),
    CollectionSchema(
        ENTRIES,
        (
            IndexModel([("client", ASCENDING), ("effect", ASCENDING)], name="effect", unique=True),
            IndexModel([("client", ASCENDING), ("trainer", ASCENDING), ("createdAt", ASCENDING)], name="pair"),
        ),
    ),
)


@repository
class Credits:
    def __init__(self, database: Database) -> None:
        self._database = database
        self._balances = database.collection(BALANCES)
        self._entries = database.collection(ENTRIES)

    async def balance(self, client_id: str, trainer_id: str) -> int:
        found = await self._balances.find_one(_pair(client_id, trainer_id))
        return found["amountOfCredit"] if found else 0

    async def entries(self, client_id: str, trainer_id: str) -> list[CreditEntry]:
        """The pair's whole ledger, the oldest first."""
        found = self._entries.find(_pair(client_id, trainer_id)).sort([("createdAt", ASCENDING), ("_id", ASCENDING)])
        return [_entry(one) for one in await found.to_list(None)]

    async def record(self, entry: CreditEntry) -> Balance | None:
        """An entry by itself, such as a grant; nothing when its effect has happened before."""

        async def body(session: Session) -> Balance:
            return await self.record_within(entry, session=session)

        try:
            return await self._database.transaction(body)
        except DuplicateKeyError:
            return None

    async def record_within(self, entry: CreditEntry, *, session: Session) -> Balance:
        """Entry and balance; raises ``insufficient_credit``, or ``DuplicateKeyError`` for a repeated effect."""
        await self._entries.insert_one(_entry_document(entry), session=session)
        pair = _pair(entry.client_id, entry.trainer_id)
        guard: Document = {"amountOfCredit": {"$gte": -entry.amount}} if entry.amount < 0 else {}
        found = await self._balances.find_one_and_update(
            pair | guard,
            {
                "$inc": {"amountOfCredit": entry.amount, "version": 1},
                "$set": {"updatedAt": entry.created_at},
                "$setOnInsert": {"createdAt": entry.created_at},
            },
            upsert=entry.amount > 0,
            return_document=ReturnDocument.AFTER,
            session=session,
        )
        if found is None and entry.amount < 0:
            raise DomainError(Code.INSUFFICIENT_CREDIT, "There is no credit with this trainer.")
        return Balance(
            client_id=entry.client_id,
            trainer_id=entry.trainer_id,
            amount=found["amountOfCredit"] if found else 0,
            version=found["version"] if found else 0,
        )


def _pair(client_id: str, trainer_id: str) -> Document:
    return {"client": ObjectId(client_id), "trainer": ObjectId(trainer_id)}


def _entry_document(entry: CreditEntry) -> Document:
    document: Document = {
        **_pair(entry.client_id, entry.trainer_id),
        "effect": entry.effect,
        "kind": entry.kind,
        "amount": entry.amount,
        "createdAt": entry.created_at,
    }
    if entry.booking_id is not None:
        document["booking"] = ObjectId(entry.booking_id)
    return document


def _entry(document: Document) -> CreditEntry:
    created_at: datetime = document["createdAt"]
    return CreditEntry(
        client_id=str(document["client"]),
        trainer_id=str(document["trainer"]),
        effect=document["effect"],
        kind=document["kind"],
        amount=document["amount"],
        booking_id=str(document["booking"]) if "booking" in document else None,
        created_at=created_at,
    )
