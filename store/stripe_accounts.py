"""Who is who at Stripe: a trainer's account and a client's customer, fields of their profiles."""

from __future__ import annotations

from datetime import datetime

from bson import ObjectId
from pymongo import ASCENDING, IndexModel, ReturnDocument

from store.database import ClientSession, CollectionSchema, Database
from store.failures import repository
from store.people import PROFILES
from store.profiles import NOT_ERASED

ACCOUNT = "stripeConnectAccountId"
CUSTOMER = "stripeCustomerId"
SCHEMAS = (
    CollectionSchema(
        PROFILES["trainer"],
        (
            IndexModel(
                [(ACCOUNT, ASCENDING)],
                name="stripeAccount",
                unique=True,
                partialFilterExpression={ACCOUNT: {"$exists": True}},
            ),
        ),
    ),
)


@repository
class StripeAccounts:
    def __init__(self, database: Database) -> None:
        self._trainers = database.collection(PROFILES["trainer"])
        self._clients = database.collection(PROFILES["client"])

    async def remember(self, trainer_id: str, account_id: str, now: datetime) -> str | None:
        """The trainer's account from now on, unless there is one; answers which. Nothing for an erased trainer."""
        found = await self._trainers.find_one_and_update(
            {"_id": ObjectId(trainer_id), **NOT_ERASED},
            [{"$set": {ACCOUNT: {"$ifNull": [f"${ACCOUNT}", account_id]}, "updatedAt": now}}],
            {ACCOUNT: 1},
            return_document=ReturnDocument.AFTER,
        )
        return None if found is None else str(found[ACCOUNT])

    async def note(self, trainer_id: str, account_id: str, now: datetime, *, connected: bool) -> None:
        """What Stripe says; writes only what is new."""
        await self._trainers.update_one(
            {"_id": ObjectId(trainer_id), ACCOUNT: account_id, "isStripeConnected": {"$ne": connected}},
            {"$set": {"isStripeConnected": connected, "updatedAt": now}},
        )

    async def trainer_of(self, account_id: str) -> str | None:
        found = await self._trainers.find_one({ACCOUNT: account_id}, {"_id": 1})
        return None if found is None else str(found["_id"])

    async def customer(self, client_id: str, *, session: ClientSession | None = None) -> str | None:
        found = await self._clients.find_one({"_id": ObjectId(client_id)}, {CUSTOMER: 1}, session=session)
        return None if found is None else found.get(CUSTOMER)

    async def remember_customer(self, client_id: str, customer_id: str) -> str | None:
        """As ``remember``."""
        found = await self._clients.find_one_and_update(
            {"_id": ObjectId(client_id), **NOT_ERASED},
            [{"$set": {CUSTOMER: {"$ifNull": [f"${CUSTOMER}", customer_id]}}}],
            {CUSTOMER: 1},
            return_document=ReturnDocument.AFTER,
        )
        return None if found is None else str(found[CUSTOMER])
