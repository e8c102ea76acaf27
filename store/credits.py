"""The ledger of credits, append-only, with the Credit table as its projection; and the free trials consumed.

Ledger and projection change in one commit; a trial is one a pair, counted by the trainer's week.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec
from bson import ObjectId
from pymongo import ASCENDING, IndexModel, ReturnDocument
from pymongo.errors import DuplicateKeyError

from domain.accounts import Role
from domain.bookings import Booking
from domain.credits import Balance, CreditEntry, iso_week
from domain.errors import Code, DomainError
from store.database import ClientSession, CollectionSchema, Database, Document
from store.failures import repository

BALANCES = "credits"
ENTRIES = "creditEntries"
SCHEMAS = (
    CollectionSchema(
        BALANCES,
        (
            IndexModel([("client", ASCENDING), ("trainer", ASCENDING)], name="pair", unique=True),
            IndexModel([("client", ASCENDING), ("_id", ASCENDING)], name="ofClient"),
            IndexModel([("trainer", ASCENDING), ("_id", ASCENDING)], name="ofTrainer"),
        ),
    ),
    CollectionSchema(
        ENTRIES,
        (
            IndexModel([("client", ASCENDING), ("effect", ASCENDING)], name="effect", unique=True),
            IndexModel([("client", ASCENDING), ("trainer", ASCENDING), ("createdAt", ASCENDING)], name="pair"),
        ),
    ),
)


class CreditRow(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the Credit table, as lists show it."""

    id: str
    balance: Balance
    created_at: datetime
    updated_at: datetime


@repository
class Credits:
    def __init__(self, database: Database) -> None:
        self._database = database
        self._balances = database.collection(BALANCES)
        self._entries = database.collection(ENTRIES)

    async def balance(self, client_id: str, trainer_id: str) -> int:
        found = await self._balances.find_one(_pair(client_id, trainer_id))
        return found["amountOfCredit"] if found else 0

    async def page(self, side: str, profile_id: str, after: str | None, limit: int) -> list[CreditRow]:
        """Of a client or a trainer, by their age. ``side``: "client" or "trainer"."""
        query: Document = {side: ObjectId(profile_id)}
        if after is not None:
            query["_id"] = {"$gt": ObjectId(after)}
        found = await self._balances.find(query).sort("_id", ASCENDING).limit(limit).to_list(None)
        return [
            CreditRow(
                id=str(one["_id"]),
                balance=Balance(
                    client_id=str(one["client"]),
                    trainer_id=str(one["trainer"]),
                    amount=one["amountOfCredit"],
                    version=one["version"],
                ),
                created_at=one["createdAt"],
                updated_at=one["updatedAt"],
            )
            for one in found
        ]

    async def pairs_with_credit(self, role: Role, profile_id: str) -> list[tuple[str, str]]:
        """Client and trainer, of one of the two, where something is left."""
        query = {role: ObjectId(profile_id), "amountOfCredit": {"$gt": 0}}
        found = await self._balances.find(query, {"client": 1, "trainer": 1}).to_list(None)
        return [(str(one["client"]), str(one["trainer"])) for one in found]

    async def came_of(self, client_id: str, effects: Sequence[str]) -> bool:
        """Whether one of these gave the client credits."""
        given = {"client": ObjectId(client_id), "effect": {"$in": list(effects)}, "amount": {"$gt": 0}}
        return await self._entries.find_one(given, {"_id": 1}) is not None

    async def balance_within(self, client_id: str, trainer_id: str, *, session: ClientSession) -> Balance:
        found = await self._balances.find_one(_pair(client_id, trainer_id), session=session) or {}
        return Balance(
            client_id=client_id,
            trainer_id=trainer_id,
            amount=found.get("amountOfCredit", 0),
            version=found.get("version", 0),
        )

    async def lock_within(self, client_id: str, trainer_id: str, now: datetime, *, session: ClientSession) -> int:
        """The balance; whoever changes it at the same time is tried again after this commit, or this one after that."""
        found = await self._balances.find_one_and_update(
            _pair(client_id, trainer_id),
            {
                "$inc": {"locks": 1},
                "$setOnInsert": {"amountOfCredit": 0, "version": 0, "createdAt": now, "updatedAt": now},
            },
            upsert=True,
            return_document=ReturnDocument.AFTER,
            session=session,
        )
        return int(found["amountOfCredit"])

    async def entries(self, client_id: str, trainer_id: str) -> list[CreditEntry]:
        """The pair's whole ledger, the oldest first."""
        found = self._entries.find(_pair(client_id, trainer_id)).sort([("createdAt", ASCENDING), ("_id", ASCENDING)])
        return [_entry(one) for one in await found.to_list(None)]

    async def record(self, entry: CreditEntry) -> Balance | None:
        """An entry by itself, such as a grant; nothing when its effect has happened before."""

        async def body(session: ClientSession) -> Balance:
            return await self.record_within(entry, session=session)

        try:
            return await self._database.transaction(body)
        except DuplicateKeyError:
            return None

    async def record_within(self, entry: CreditEntry, *, session: ClientSession) -> Balance:
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


TRIALS = "trials"
WEEKS = "trialWeeks"
PAIR_INDEX = "trialPair"
WEEK_INDEX = "trialWeek"
TRIAL_SCHEMAS = (
    CollectionSchema(
        TRIALS, (IndexModel([("client", ASCENDING), ("trainer", ASCENDING)], name=PAIR_INDEX, unique=True),)
    ),
    CollectionSchema(
        WEEKS, (IndexModel([("trainer", ASCENDING), ("week", ASCENDING)], name=WEEK_INDEX, unique=True),)
    ),
)


@repository
class Trials:
    """Changed within a booking's transaction only."""

    def __init__(self, database: Database) -> None:
        self._trials = database.collection(TRIALS)
        self._weeks = database.collection(WEEKS)

    async def consume(self, booking: Booking, limit: int, *, session: ClientSession) -> None:
        """Raises ``trial_unavailable``, or ``DuplicateKeyError`` when the pair has had its trial."""
        await self._trials.insert_one(
            {
                "client": ObjectId(booking.client_id),
                "trainer": ObjectId(booking.trainer_id),
                "booking": ObjectId(booking.id),
                "createdAt": booking.created_at,
            },
            session=session,
        )
        await self._count(booking, limit, session)

    async def consumed(self, client_id: str, trainer_id: str) -> bool:
        """Whether the client has had its trial with the trainer, or has it booked."""
        return await self._trials.find_one(_pair(client_id, trainer_id), {"_id": 1}) is not None

    async def give_back(self, booking: Booking, *, session: ClientSession) -> None:
        """Both limits are as they were."""
        await self._trials.delete_one(
            {
                "client": ObjectId(booking.client_id),
                "trainer": ObjectId(booking.trainer_id),
                "booking": ObjectId(booking.id),
            },
            session=session,
        )
        await self._uncount(booking, session)

    async def move(self, before: Booking, after: Booking, limit: int, *, session: ClientSession) -> None:
        """To the week of the new time; raises ``trial_unavailable`` when that has no room."""
        if iso_week(before.starts_at, before.time_zone) != iso_week(after.starts_at, after.time_zone):
            await self._uncount(before, session)
            await self._count(after, limit, session)

    async def _count(self, booking: Booking, limit: int, session: ClientSession) -> None:
        week = _week(booking)
        # The upsert of a week that another transaction is beginning conflicts, and is tried again.
        await self._weeks.update_one(week, {"$setOnInsert": {"used": 0}}, upsert=True, session=session)
        counted = await self._weeks.update_one(
            week | {"used": {"$lt": limit}}, {"$inc": {"used": 1}}, session=session
        )
        if not counted.matched_count:
            raise DomainError(Code.TRIAL_UNAVAILABLE, "The trainer's trials of that week are taken.")

    async def _uncount(self, booking: Booking, session: ClientSession) -> None:
        await self._weeks.update_one(_week(booking), {"$inc": {"used": -1}}, session=session)


def _week(booking: Booking) -> dict[str, object]:
    return {"trainer": ObjectId(booking.trainer_id), "week": iso_week(booking.starts_at, booking.time_zone)}
