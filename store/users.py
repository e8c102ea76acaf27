"""The User table: those who proved their address. What waits for that lies in ``registrations``."""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

import msgspec
from bson import ObjectId
from pymongo import ASCENDING, DESCENDING, IndexModel, ReturnDocument

from domain.accounts import AccountBlock, Role, User
from store.database import ClientSession, CollectionSchema, Database, Document
from store.failures import repository
from store.user_documents import document_of, user_from

NAME = "users"
SCHEMAS = (
    CollectionSchema(
        NAME,
        (
            IndexModel([("email", ASCENDING)], name="email", unique=True),
            # What statistics count.
            IndexModel([("role", ASCENDING), ("isBlocked", ASCENDING), ("isDeleted", ASCENDING)], name="states"),
        ),
    ),
)

# Where version 1 kept what waits in collections of its own today.
FORMER_FIELDS = dict.fromkeys(("codeExpireIn", "resetCode", "resetTries", "resetExpiresAt"), "")
RESET_TOKEN_FIELDS = {"resetToken": "", "resetTokenExpiresAt": ""}

# Of an account: neither erased nor, as version 1 kept them here, still to be verified.
_STANDING: dict[str, Any] = {"isVerified": True, "isDeleted": {"$ne": True}}


class UserFilter(msgspec.Struct, frozen=True, kw_only=True):
    """``email_begins``: in the normalised spelling."""

    role: Role | None = None
    blocked: bool | None = None
    email_begins: str | None = None


class ListedUser(msgspec.Struct, frozen=True, kw_only=True):
    """A user with what administrators said of it; ``block`` only while it is blocked."""

    user: User
    block: AccountBlock | None
    blocked_at: datetime | None


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

    async def page(self, wanted: UserFilter, before: str | None, limit: int) -> list[ListedUser]:
        """The newest first, those before that id only."""
        query: Document = {}
        if wanted.role is not None:
            query["role"] = wanted.role
        if wanted.blocked is not None:
            query["isBlocked"] = True if wanted.blocked else {"$ne": True}
        if wanted.email_begins is not None:
            query["email"] = {"$regex": f"^{re.escape(wanted.email_begins)}"}
        if before is not None:
            query["_id"] = {"$lt": ObjectId(before)}
        found = await self._users.find(query).sort("_id", DESCENDING).limit(limit).to_list(None)
        return [_listed(one) for one in found]

    async def set_blocked(
        self, user_id: str, block: AccountBlock | None, now: datetime, *, session: ClientSession
    ) -> User | None:
        """The user as it was before; nothing when there is no such user any more."""
        blocked: dict[str, Any] = {"isBlocked": block is not None, "updatedAt": now}
        if block is not None:
            blocked |= {"blockedBy": ObjectId(block.by), "blockedReason": block.reason, "blockedAt": now}
        lifted = dict.fromkeys(("blockedBy", "blockedReason", "blockedAt"), "")
        document = await self._users.find_one_and_update(
            {"_id": ObjectId(user_id), "isDeleted": {"$ne": True}},
            {"$set": blocked} if block is not None else {"$set": blocked, "$unset": lifted},
            session=session,
        )
        return user_from(document)

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


def _listed(document: Document) -> ListedUser:
    user = user_from(document)
    assert user is not None
    block = None
    if user.is_blocked and "blockedBy" in document:
        block = AccountBlock(by=str(document["blockedBy"]), reason=document["blockedReason"])
    return ListedUser(user=user, block=block, blocked_at=document.get("blockedAt"))
