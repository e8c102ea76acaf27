"""The User table: those who proved their address. What waits for that lies in ``registrations``."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from bson import ObjectId
from pymongo import ASCENDING, IndexModel, ReturnDocument

from domain.accounts import Block, User
from store.database import ClientSession, CollectionSchema, Database
from store.failures import repository
from store.user_documents import document_of, user_from

NAME = "users"
SCHEMAS = (CollectionSchema(NAME, (IndexModel([("email", ASCENDING)], name="email", unique=True),)),)

# Where version 1 kept what waits in collections of its own today.
FORMER_FIELDS = dict.fromkeys(("codeExpireIn", "resetCode", "resetTries", "resetExpiresAt"), "")
RESET_TOKEN_FIELDS = {"resetToken": "", "resetTokenExpiresAt": ""}

# Of an account: neither erased nor, as version 1 kept them here, still to be verified.
_STANDING: dict[str, Any] = {"isVerified": True, "isDeleted": {"$ne": True}}


@repository
class Users:
    def __init__(self, database: Database) -> None:
        self._users = database.collection(NAME)

    @staticmethod
    def new_id() -> str:
        return str(ObjectId())

    async def by_id(self, user_id: str) -> User | None:
        document = await self._users.find_one({"_id": ObjectId(user_id)})
        return user_from(document)

    async def by_ids(self, user_ids: Collection[str]) -> list[User]:
        cursor = self._users.find({"_id": {"$in": [ObjectId(one) for one in user_ids]}})
        return [user async for document in cursor if (user := user_from(document)) is not None]

    async def is_blocked(self, user_id: str) -> bool:
        found = await self._users.find_one({"_id": ObjectId(user_id), "isBlocked": True}, {"_id": 1})
        return found is not None

    async def by_email(self, email: str) -> User | None:
        """By the normalised address; one that nobody has proved, or whose user was erased, is nobody's."""
        return user_from(await self._users.find_one({"email": email, **_STANDING}))

    async def insert(self, user: User, *, session: ClientSession | None = None) -> None:
        """Raises ``DuplicateKeyError`` (or a write conflict, in a transaction) for a known address."""
        await self._users.insert_one(document_of(user), session=session)

    async def remove_unproved(self, email: str, *, session: ClientSession) -> User | None:
        """The user that version 1 made of a registration before it was verified; it has done nothing yet."""
        removed = await self._users.find_one_and_delete({"email": email, "isVerified": False}, session=session)
        return user_from(removed)

    async def set_password(
        self, user: User, password: str, changed_at: datetime, *, proof: dict[str, Any], session: ClientSession
    ) -> bool:
        """A new password for a verified mailbox. ``proof`` is a part of the filter that only the store builds."""
        result = await self._users.update_one(
            {"_id": ObjectId(user.id), **_STANDING, **proof},
            {
                "$set": {
                    "password": password,
                    "passwordChangedAt": changed_at,
                    "isResetVerified": False,
                    "updatedAt": changed_at,
                },
                "$unset": FORMER_FIELDS | RESET_TOKEN_FIELDS,
            },
            session=session,
        )
        return bool(result.matched_count)

    async def rehash(self, user_id: str, old: str, new: str) -> None:
        """The same password under newer parameters; no change of the password."""
        await self._users.update_one({"_id": ObjectId(user_id), "password": old}, {"$set": {"password": new}})

    async def change(
        self, user_id: str, active: bool | None, time_zone: str | None, now: datetime, *, session: ClientSession
    ) -> User | None:
        """What is nothing stays as it is."""
        given = {"isActive": active, "timeZone": time_zone}
        changes = {name: value for name, value in given.items() if value is not None}
        document = await self._users.find_one_and_update(
            {"_id": ObjectId(user_id), "isDeleted": {"$ne": True}},
            {"$set": changes | {"updatedAt": now}},
            return_document=ReturnDocument.AFTER,
            session=session,
        )
        return user_from(document)

    async def set_blocked(self, user_id: str, block: Block | None, now: datetime, *, session: ClientSession) -> bool:
        """False when there is no such user any more."""
        blocked: dict[str, Any] = {"isBlocked": block is not None, "updatedAt": now}
        if block is not None:
            blocked |= {"blockedBy": ObjectId(block.by), "blockedReason": block.reason, "blockedAt": now}
        lifted = dict.fromkeys(("blockedBy", "blockedReason", "blockedAt"), "")
        result = await self._users.update_one(
            {"_id": ObjectId(user_id), "isDeleted": {"$ne": True}},
            {"$set": blocked} if block is not None else {"$set": blocked, "$unset": lifted},
            session=session,
        )
        return bool(result.matched_count)

    async def erase(self, user: User, now: datetime, *, session: ClientSession) -> bool:
        """Nothing is left that leads to a person; the address is free again. False when it was erased before."""
        result = await self._users.update_one(
            {"_id": ObjectId(user.id), "password": user.password, "isDeleted": {"$ne": True}},
            {
                # Addresses are unique, and this one nobody can register.
                "$set": {"isDeleted": True, "isActive": False, "email": f"erased:{user.id}", "updatedAt": now},
                "$unset": {"password": "", "timeZone": ""} | FORMER_FIELDS | RESET_TOKEN_FIELDS,
            },
            session=session,
        )
        return bool(result.matched_count)

    async def set_reset_token(self, user_id: str, token: str, now: datetime, lifetime: timedelta) -> bool:
        """The keyed hash of a token that takes the place of a code; false when the user was erased meanwhile."""
        result = await self._users.update_one(
            {"_id": ObjectId(user_id), **_STANDING},
            {
                "$set": {
                    "isResetVerified": True,
                    "resetToken": token,
                    "resetTokenExpiresAt": now + lifetime,
                    "updatedAt": now,
                }
            },
        )
        return bool(result.matched_count)

    async def by_reset_token(self, user_id: str, token: str, now: datetime) -> User | None:
        document = await self._users.find_one(
            {
                "_id": ObjectId(user_id),
                **_STANDING,
                "resetToken": token,
                "resetTokenExpiresAt": {"$gt": now},
            }
        )
        return user_from(document)
