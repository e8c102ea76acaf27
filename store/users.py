"""The User table, with the pending registrations that lie in it until the address is verified."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
from bson import ObjectId
from pymongo import ASCENDING, IndexModel, ReturnDocument

from domain.accounts import Role, User
from domain.registrations import MAX_TRIES, Registration
from store.database import Database, Document, Session
from store.failures import repository
from store.schema import CollectionSchema

NAME = "users"
SCHEMAS = (CollectionSchema(NAME, (IndexModel([("email", ASCENDING)], name="email", unique=True),)),)

# What a verified address no longer needs.
PENDING_FIELDS = {"registrations": "", "registrationsRevision": "", "verifyCode": "", "codeExpireIn": ""}
RESET_FIELDS = {"resetCode": "", "resetTries": "", "resetExpiresAt": ""}
RESET_TOKEN_FIELDS = {"resetToken": "", "resetTokenExpiresAt": ""}


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """A user and the registrations pending under its address; ``revision`` guards their replacement."""

    user: User
    registrations: tuple[Registration, ...]
    revision: int


class ResetGuess(msgspec.Struct, frozen=True, kw_only=True):
    """The keyed hash that a guessed reset code has to match."""

    user_id: str
    code: str


@repository
class Users:
    def __init__(self, database: Database) -> None:
        self._users = database.collection(NAME)

    @staticmethod
    def new_id() -> str:
        return str(ObjectId())

    async def by_id(self, user_id: str) -> User | None:
        document = await self._users.find_one({"_id": ObjectId(user_id)})
        return document and user_from(document)

    async def by_email(self, email: str) -> Known | None:
        """By the normalised address, erased users left out."""
        document = await self._users.find_one({"email": email, "isDeleted": {"$ne": True}})
        return document and _known_from(document)

    async def insert(
        self, user: User, pending: Sequence[Registration] = (), *, session: Session | None = None
    ) -> None:
        """Raises ``DuplicateKeyError`` (or a write conflict, in a transaction) for a known address."""
        document = _document(user)
        if pending:
            document |= _pending_fields(pending) | {"registrationsRevision": 1}
        await self._users.insert_one(document, session=session)

    async def replace_registrations(
        self, known: Known, pending: Sequence[Registration], now: datetime
    ) -> bool:
        """False when they have changed since they were read (a try was counted, another came in)."""
        result = await self._users.update_one(
            {"_id": ObjectId(known.user.id), "isVerified": False, "registrationsRevision": known.revision},
            {"$set": _pending_fields(pending) | {"updatedAt": now}, "$inc": {"registrationsRevision": 1}},
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
        return document and _known_from(document)

    async def activate(self, user: User, registration: Registration, *, session: Session) -> bool:
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
        self, user: User, password: str, changed_at: datetime, *, proof: dict[str, Any], session: Session
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

    async def rehash(self, user_id: str, old: str, new: str) -> None:
        """The same password under newer parameters; no change of the password."""
        await self._users.update_one({"_id": ObjectId(user_id), "password": old}, {"$set": {"password": new}})

    async def set_active(self, user_id: str, active: bool, now: datetime) -> User | None:
        document = await self._users.find_one_and_update(
            {"_id": ObjectId(user_id), "isDeleted": {"$ne": True}},
            {"$set": {"isActive": active, "updatedAt": now}},
            return_document=ReturnDocument.AFTER,
        )
        return document and user_from(document)

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
        return document and user_from(document)

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
        return document and ResetGuess(user_id=str(document["_id"]), code=document["resetCode"])

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
        return document and user_from(document)


def user_from(document: Document) -> User:
    role: Role = document["role"]
    return User(
        id=str(document["_id"]),
        email=document["email"],
        role=role,
        profile_id=document["profileId"],
        password=document.get("password"),
        password_changed_at=document.get("passwordChangedAt"),
        is_blocked=document.get("isBlocked", False),
        is_verified=document.get("isVerified", False),
        is_active=document.get("isActive", True),
        is_deleted=document.get("isDeleted", False),
        created_at=document["createdAt"],
        updated_at=document["updatedAt"],
    )


def _document(user: User) -> Document:
    document: Document = {
        "_id": ObjectId(user.id),
        "email": user.email,
        "profileId": user.profile_id,
        "role": user.role,
        "isBlocked": user.is_blocked,
        "isVerified": user.is_verified,
        "isResetVerified": False,
        "isActive": user.is_active,
        "isDeleted": user.is_deleted,
        "createdAt": user.created_at,
        "updatedAt": user.updated_at,
    }
    if user.password is not None:
        document |= {"password": user.password, "passwordChangedAt": user.password_changed_at}
    return document


def _pending_fields(pending: Sequence[Registration]) -> Document:
    return {
        "registrations": [_registration_document(one) for one in pending],
        "verifyCode": pending[-1].code,
        "codeExpireIn": pending[-1].expires_at,
    }


def _registration_document(one: Registration) -> Document:
    return {
        "id": one.id,
        "code": one.code,
        "expiresAt": one.expires_at,
        "tries": one.tries,
        "password": one.password,
        "role": one.role,
        "name": one.name,
        "timeZone": one.time_zone,
        "requester": one.requester,
        "createdAt": one.created_at,
    }


def _known_from(document: Document) -> Known:
    return Known(
        user=user_from(document),
        registrations=tuple(_registration_from(one) for one in document.get("registrations", ())),
        revision=document.get("registrationsRevision", 0),
    )


def _registration_from(document: Document) -> Registration:
    return Registration(
        id=document["id"],
        code=document["code"],
        expires_at=document["expiresAt"],
        tries=document["tries"],
        password=document["password"],
        role=document["role"],
        name=document["name"],
        time_zone=document["timeZone"],
        requester=document["requester"],
        created_at=document["createdAt"],
    )
