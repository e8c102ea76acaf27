"""The User table, with the pending registrations that lie in it until the address is verified."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
from bson import ObjectId
from pymongo import ASCENDING, IndexModel, ReturnDocument

from domain.accounts import MAX_TRIES, Block, Registration, User
from store.database import ClientSession, CollectionSchema, Database
from store.failures import repository
from store.user_documents import Known, document_of, known_from, pending_fields, user_from

NAME = "users"
SCHEMAS = (CollectionSchema(NAME, (IndexModel([("email", ASCENDING)], name="email", unique=True),)),)

# What a verified address no longer needs.
PENDING_FIELDS = {"registrations": "", "registrationsRevision": "", "verifyCode": "", "codeExpireIn": ""}
RESET_FIELDS = {"resetCode": "", "resetTries": "", "resetExpiresAt": ""}
RESET_TOKEN_FIELDS = {"resetToken": "", "resetTokenExpiresAt": ""}


class ResetGuess(msgspec.Struct, frozen=True, kw_only=True):
    """The keyed hash that a guessed reset code has to match."""

    user_id: str
    code: str


@repository
class Users:
    def __init__(self, database: Database) -> None:
        self._users = database.collection(NAME)
        self._equaliser = database.collection("decoys")

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

    async def by_email(self, email: str) -> Known | None:
        """By the normalised address, erased users left out."""
        document = await self._users.find_one({"email": email, "isDeleted": {"$ne": True}})
        return known_from(document)

    async def insert(
        self, user: User, pending: Sequence[Registration] = (), *, session: ClientSession | None = None
    ) -> None:
        """Raises ``DuplicateKeyError`` (or a write conflict, in a transaction) for a known address."""
        document = document_of(user)
        if pending:
            document |= pending_fields(pending) | {"registrationsRevision": 1}
        await self._users.insert_one(document, session=session)

    async def replace_registrations(self, known: Known, pending: Sequence[Registration], now: datetime) -> bool:
        """False when they have changed since they were read (a try was counted, another came in)."""
        result = await self._users.update_one(
            {"_id": ObjectId(known.user.id), "isVerified": False, "registrationsRevision": known.revision},
            {"$set": pending_fields(pending) | {"updatedAt": now}, "$inc": {"registrationsRevision": 1}},
        )
        return result.matched_count == 1

    async def count_try(self, email: str, now: datetime) -> Known | None:
        """Count one guess against every open code of the address; answers them as they stood before it."""
        document = await self._users.find_one_and_update(
            {"email": email, "isVerified": False, "registrations.0": {"$exists": True}},
            {"$inc": {"registrations.$[open].tries": 1, "registrationsRevision": 1}},
            array_filters=[{"open.tries": {"$lt": MAX_TRIES}, "open.expiresAt": {"$gt": now}}],
            return_document=ReturnDocument.BEFORE,
        )
        return known_from(document)

    async def activate(self, user: User, registration: Registration, *, session: ClientSession) -> bool:
        """Store the verified user; false when the code was used or replaced meanwhile."""
        result = await self._users.update_one(
            {
                "_id": ObjectId(user.id),
                "isVerified": False,
                "registrations": {"$elemMatch": {"id": registration.id, "code": registration.code}},
            },
            {
                "$set": {
                    "role": user.role,
                    "profileId": user.profile_id,
                    "isVerified": True,
                    "password": user.password,
                    "passwordChangedAt": user.password_changed_at,
                    "updatedAt": user.updated_at,
                },
                "$unset": PENDING_FIELDS,
            },
            session=session,
        )
        return bool(result.matched_count)

    async def set_password(
        self, user: User, password: str, changed_at: datetime, *, proof: dict[str, Any], session: ClientSession
    ) -> bool:
        """A new password for a verified mailbox. ``proof`` is a part of the filter that only the store builds."""
        result = await self._users.update_one(
            {"_id": ObjectId(user.id), "isDeleted": {"$ne": True}, **proof},
            {
                "$set": {
                    "password": password,
                    "passwordChangedAt": changed_at,
                    "isVerified": True,
                    "isResetVerified": False,
                    "updatedAt": changed_at,
                },
                "$unset": PENDING_FIELDS | RESET_FIELDS | RESET_TOKEN_FIELDS,
            },
            session=session,
        )
        return bool(result.matched_count)

    async def equalise_timing(self) -> None:
        """For an answer that stores nothing and must not be told by its speed from one that does."""
        await self._equaliser.update_one({"_id": secrets.randbelow(256)}, {"$inc": {"writes": 1}}, upsert=True)

    async def rehash(self, user_id: str, old: str, new: str) -> None:
        """The same password under newer parameters; no change of the password."""
        await self._users.update_one({"_id": ObjectId(user_id), "password": old}, {"$set": {"password": new}})

    async def set_active(self, user_id: str, active: bool, now: datetime, *, session: ClientSession) -> User | None:
        document = await self._users.find_one_and_update(
            {"_id": ObjectId(user_id), "isDeleted": {"$ne": True}},
            {"$set": {"isActive": active, "updatedAt": now}},
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
                "$unset": {"password": ""} | PENDING_FIELDS | RESET_FIELDS | RESET_TOKEN_FIELDS,
            },
            session=session,
        )
        return bool(result.matched_count)

    async def set_reset_code(self, email: str, code: str, now: datetime, lifetime: timedelta) -> User | None:
        """Replace the reset code of an address by a keyed hash; nobody's address answers nothing."""
        expires_at = now + lifetime
        document = await self._users.find_one_and_update(
            {"email": email, "isDeleted": {"$ne": True}},
            {
                "$set": {
                    "resetCode": code,
                    "resetTries": 0,
                    "resetExpiresAt": expires_at,
                    "codeExpireIn": expires_at,
                    "updatedAt": now,
                }
            },
            return_document=ReturnDocument.AFTER,
        )
        return user_from(document)

    async def count_reset_try(self, email: str, now: datetime) -> ResetGuess | None:
        document = await self._users.find_one_and_update(
            {
                "email": email,
                "isDeleted": {"$ne": True},
                "resetCode": {"$exists": True},
                "resetTries": {"$lt": MAX_TRIES},
                "resetExpiresAt": {"$gt": now},
            },
            {"$inc": {"resetTries": 1}},
        )
        if document is None:
            return None
        return ResetGuess(user_id=str(document["_id"]), code=document["resetCode"])

    async def trade_reset_code(self, guess: ResetGuess, token: str, now: datetime, lifetime: timedelta) -> bool:
        """Use up the code for a reset token (its keyed hash); false when somebody was faster."""
        result = await self._users.update_one(
            {"_id": ObjectId(guess.user_id), "resetCode": guess.code},
            {
                "$set": {
                    "isResetVerified": True,
                    "resetToken": token,
                    "resetTokenExpiresAt": now + lifetime,
                    "updatedAt": now,
                },
                "$unset": RESET_FIELDS | {"codeExpireIn": ""},
            },
        )
        return bool(result.matched_count)

    async def by_reset_token(self, user_id: str, token: str, now: datetime) -> User | None:
        document = await self._users.find_one(
            {
                "_id": ObjectId(user_id),
                "isDeleted": {"$ne": True},
                "resetToken": token,
                "resetTokenExpiresAt": {"$gt": now},
            }
        )
        return user_from(document)
