"""Registrations that wait for their code: one document each, whatever else is registered under the address.

A registration of an address that has an account is kept like any other; no code is ever mailed for it.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from pymongo import ASCENDING, IndexModel, ReturnDocument

from domain.proofs import MAX_MAILS, REGISTRATION_LIFETIME, Registration
from store.database import ClientSession, CollectionSchema, Database, Document
from store.failures import repository

NAME = "registrations"
SCHEMAS = (
    CollectionSchema(
        NAME,
        (
            IndexModel([("email", ASCENDING), ("password", ASCENDING)], name="email"),
            # Housekeeping only: whether one still waits is asked of `createdAt` and `expiresAt`.
            IndexModel([("goneAt", ASCENDING)], name="gone", expireAfterSeconds=0),
        ),
    ),
)


@repository
class Registrations:
    def __init__(self, database: Database) -> None:
        self._registrations = database.collection(NAME)

    async def insert(self, new: Registration) -> None:
        await self._registrations.insert_one(_document(new))

    async def with_password(self, email: str, password: str) -> Registration | None:
        """One of the address with this hash."""
        return _from(await self._registrations.find_one({"email": email, "password": password}))

    async def count_try(self, registration_id: str, email: str, now: datetime, *, counts: bool) -> Registration | None:
        """Count a guess, unless it counts none; answers the registration as it stood before it."""
        document = await self._registrations.find_one_and_update(
            {"_id": registration_id, "email": email},
            {"$inc": {"tries": int(counts)}, "$set": {"triedAt": now}},
            return_document=ReturnDocument.BEFORE,
        )
        return _from(document)

    async def renew(
        self, registration_id: str, email: str, nonce: str, now: datetime, expires_at: datetime
    ) -> Registration | None:
        """A new code in place of the former and its tries; nothing for one that is unknown, old or out of mails."""
        document = await self._registrations.find_one_and_update(
            {
                "_id": registration_id,
                "email": email,
                "mails": {"$lt": MAX_MAILS},
                "createdAt": {"$gt": now - REGISTRATION_LIFETIME},
            },
            {"$set": {"nonce": nonce, "expiresAt": expires_at, "tries": 0}, "$inc": {"mails": 1}},
            return_document=ReturnDocument.AFTER,
        )
        return _from(document)

    async def use(self, registration: Registration, *, session: ClientSession) -> bool:
        """Take it and every other of its address away; false when it was used or renewed meanwhile."""
        mine = {"_id": registration.id, "nonce": registration.nonce}
        if not (await self._registrations.delete_one(mine, session=session)).deleted_count:
            return False
        await self.forget(registration.email, session=session)
        return True

    async def standing(self, ids: Collection[str]) -> set[str]:
        """Those that are neither used nor forgotten."""
        return set(await self._registrations.distinct("_id", {"_id": {"$in": list(ids)}}))

    async def forget(self, email: str, *, session: ClientSession) -> None:
        await self._registrations.delete_many({"email": email}, session=session)


def _document(one: Registration) -> Document:
    return {
        "_id": one.id,
        "email": one.email,
        "nonce": one.nonce,
        "expiresAt": one.expires_at,
        "tries": one.tries,
        "mails": one.mails,
        "password": one.password,
        "role": one.role,
        "name": one.name,
        "timeZone": one.time_zone,
        "device": one.device,
        "createdAt": one.created_at,
        "goneAt": one.created_at + REGISTRATION_LIFETIME,
    }


def _from(document: Document | None) -> Registration | None:
    if document is None:
        return None
    return Registration(
        id=document["_id"],
        email=document["email"],
        nonce=document["nonce"],
        expires_at=document["expiresAt"],
        tries=document["tries"],
        mails=document["mails"],
        password=document["password"],
        role=document["role"],
        name=document["name"],
        time_zone=document.get("timeZone"),
        device=document["device"],
        created_at=document["createdAt"],
    )
