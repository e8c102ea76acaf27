"""The records behind a user (Client, Trainer, SuperAdmin, by the user's role), with their documents."""

from __future__ import annotations

from collections.abc import Collection as Several
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec
from bson import ObjectId
from pymongo import ASCENDING, IndexModel, ReturnDocument

from domain.accounts import Role
from domain.profiles import Profile
from store.database import ClientSession, Collection, CollectionSchema, Database, Document
from store.failures import repository
from store.people import PROFILES

_FIELDS = {field.encode_name: field.name for field in msgspec.structs.fields(Profile)}


def profile_from(document: Document) -> Profile:
    stored: dict[str, Any] = {
        _FIELDS[name]: value for name, value in document.items() if name in _FIELDS and value is not None
    }
    stored |= {"id": str(document["_id"]), "user": str(document["user"])}
    for name in ("certificates", "specialization"):
        stored[name] = tuple(str(one) for one in document.get(name, ()))
    stored["service_images"] = tuple(document.get("service_images", ()))
    return Profile(**stored)


SCHEMAS = tuple(
    CollectionSchema(name, (IndexModel([("user", ASCENDING)], name="user", unique=True),))
    for name in sorted(set(PROFILES.values()))
)

ERASED_NAME = "Erased account"
# An erased profile stays erased, whatever its owner had under way.
NOT_ERASED: Document = {"email": {"$exists": True}}


class NewProfile(msgspec.Struct, frozen=True, kw_only=True):
    """What a profile starts with."""

    id: str
    user_id: str
    name: str
    email: str
    time_zone: str | None
    created_at: datetime


@repository
class Profiles:
    def __init__(self, database: Database) -> None:
        self._database = database

    def _of(self, role: Role) -> Collection:
        return self._database.collection(PROFILES[role])

    async def by_id(self, role: Role, profile_id: str) -> Profile | None:
        found = await self._of(role).find_one({"_id": ObjectId(profile_id)})
        return profile_from(found) if found else None

    async def by_ids(self, role: Role, profile_ids: Several[str]) -> dict[str, Profile]:
        ids = [ObjectId(one) for one in profile_ids]
        found = await self._of(role).find({"_id": {"$in": ids}}).to_list(None) if ids else []
        return {profile.id: profile for profile in map(profile_from, found)}

    async def update(
        self, role: Role, profile_id: str, values: Mapping[str, object], now: datetime, *, session: ClientSession
    ) -> Profile | None:
        """By stored names; a value of nothing takes the field away. Answers the profile as it was before."""
        kept = {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}
        changes: Document = {"$set": {"updatedAt": now} | {k: v for k, v in kept.items() if v is not None}}
        cleared = {name: "" for name, value in kept.items() if value is None}
        if cleared:
            changes["$unset"] = cleared
        before = await self._of(role).find_one_and_update(
            {"_id": ObjectId(profile_id), **NOT_ERASED},
            changes,
            return_document=ReturnDocument.BEFORE,
            session=session,
        )
        return profile_from(before) if before else None

    async def insert(self, role: Role, profile: NewProfile, *, session: ClientSession) -> None:
        document: Document = {
            "_id": ObjectId(profile.id),
            "user": ObjectId(profile.user_id),
            "name": profile.name,
            "email": profile.email,
            "createdAt": profile.created_at,
            "updatedAt": profile.created_at,
        }
        if role == "client" and profile.time_zone is not None:
            document["timeZone"] = profile.time_zone
        if role == "trainer":
            document |= {
                "timeZone": profile.time_zone or "UTC",
                "service_images": [],
                "certificates": [],
                "specialization": [],
                "isStripeConnected": False,
            }
        await self._of(role).insert_one(document, session=session)

    async def delete(self, role: Role, profile_id: str, *, session: ClientSession) -> None:
        await self._of(role).delete_one({"_id": ObjectId(profile_id)}, session=session)

    async def erase(self, role: Role, profile_id: str, now: datetime, *, session: ClientSession) -> None:
        """What others hold of the person (a conversation, a booking) still needs a record, but no more than that."""
        profiles = self._of(role)
        found = await profiles.find_one({"_id": ObjectId(profile_id)}, session=session)
        if found is not None:
            kept: Document = {key: found[key] for key in ("_id", "user", "createdAt") if key in found}
            nobody = kept | {"name": ERASED_NAME, "updatedAt": now}
            await profiles.replace_one({"_id": found["_id"]}, nobody, session=session)
