"""The records behind a user: Client, Trainer, SuperAdmin. Which of them is told by the user's role."""

from __future__ import annotations

from datetime import datetime

import msgspec
from bson import ObjectId
from pymongo import ASCENDING, IndexModel

from domain.accounts import Role
from store.database import Collection, Database, Document, Session
from store.failures import repository
from store.people import PROFILES
from store.schema import CollectionSchema

SCHEMAS = tuple(
    CollectionSchema(name, (IndexModel([("user", ASCENDING)], name="user", unique=True),))
    for name in sorted(set(PROFILES.values()))
)

ERASED_NAME = "Erased account"


class NewProfile(msgspec.Struct, frozen=True, kw_only=True):
    """What a profile starts with; ``time_zone`` is kept for trainers."""

    id: str
    user_id: str
    name: str
    email: str
    time_zone: str
    created_at: datetime


@repository
class Profiles:
    def __init__(self, database: Database) -> None:
        self._database = database

    def _of(self, role: Role) -> Collection:
        return self._database.collection(PROFILES[role])

    async def insert(self, role: Role, profile: NewProfile, *, session: Session) -> None:
        document: Document = {
            "_id": ObjectId(profile.id),
            "user": ObjectId(profile.user_id),
            "name": profile.name,
            "email": profile.email,
            "createdAt": profile.created_at,
            "updatedAt": profile.created_at,
        }
        if role == "trainer":
            document |= {
                "timeZone": profile.time_zone,
                "service_images": [],
                "certificates": [],
                "specialization": [],
                "isStripeConnected": False,
            }
        await self._of(role).insert_one(document, session=session)

    async def delete(self, role: Role, profile_id: str, *, session: Session) -> None:
        await self._of(role).delete_one({"_id": ObjectId(profile_id)}, session=session)

    async def rename(self, role: Role, profile: NewProfile, *, session: Session) -> None:
        changes: Document = {"name": profile.name, "updatedAt": profile.created_at}
        if role == "trainer":
            changes["timeZone"] = profile.time_zone
        await self._of(role).update_one({"_id": ObjectId(profile.id)}, {"$set": changes}, session=session)

    async def erase(self, role: Role, profile_id: str, now: datetime, *, session: Session) -> None:
        """What others hold of the person (a conversation, a booking) still needs a record, but no more than that."""
        profiles = self._of(role)
        found = await profiles.find_one({"_id": ObjectId(profile_id)}, session=session)
        if found is not None:
            kept: Document = {key: found[key] for key in ("_id", "user", "createdAt") if key in found}
            nobody = kept | {"name": ERASED_NAME, "updatedAt": now}
            await profiles.replace_one({"_id": found["_id"]}, nobody, session=session)
