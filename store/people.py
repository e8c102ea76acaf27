"""Who somebody is, as far as others may know (role, name, picture), ``User.lastSeenAt``, forward only, and
``User.presence``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import get_args

from bson import ObjectId
from pymongo import ReturnDocument, UpdateOne

from domain.accounts import Role
from domain.conversations import UserSummary
from domain.presence import NO_CHOICE, Choice, Status
from store import users
from store.database import Database, Document
from store.failures import repository
from store.user_documents import choice_from

# The collection that holds each role's profile.
PROFILES: dict[Role, str] = {
    "client": "clients",
    "trainer": "trainers",
    "admin": "superadmins",
    "superAdmin": "superadmins",
}
assert PROFILES.keys() == set(get_args(Role))

# Of a user whom others may find and get in touch with.
REACHABLE: Document = {
    "isVerified": True,
    "isBlocked": {"$ne": True},
    "isDeleted": {"$ne": True},
    "isActive": {"$ne": False},
}


@repository
class People:
    def __init__(self, database: Database) -> None:
        self._database = database
        self._users = database.collection("users")

    async def reachable(self, user_id: str) -> UserSummary | None:
        """The user, if others may get in touch: verified, and neither blocked, erased nor paused."""
        found = await self._users.find_one({"_id": ObjectId(user_id), **REACHABLE}, {"role": 1, "profileId": 1})
        return (await self._cards([found]))[user_id] if found else None

    async def reachable_profile(self, role: Role, profile_id: str) -> UserSummary | None:
        """The person behind a profile of that role, if others may get in touch."""
        profiles = self._database.collection(PROFILES[role])
        profile = await profiles.find_one(
            {"_id": ObjectId(profile_id)}, {"user": 1, "name": 1, "profile_image": 1}
        )
        if profile is None:
            return None
        # Administrators of both roles have their profiles in one collection.
        query = {"_id": profile["user"], "role": role, **REACHABLE}
        user = await self._users.find_one(query, {"role": 1, "profileId": 1})
        return None if user is None else _card(user, profile)

    async def cards(self, user_ids: Iterable[str]) -> dict[str, UserSummary]:
        ids = {ObjectId(i) for i in user_ids}
        if not ids:
            return {}
        found = await self._users.find({"_id": {"$in": list(ids)}}, {"role": 1, "profileId": 1}).to_list(None)
        return await self._cards(found)

    async def _cards(self, users: list[Document]) -> dict[str, UserSummary]:
        by_collection: dict[str, list[ObjectId]] = {}
        for user in users:
            by_collection.setdefault(PROFILES[user["role"]], []).append(user["_id"])
        profiles: dict[ObjectId, Document] = {}
        for name, ids in by_collection.items():
            query = {"user": {"$in": ids}}
            wanted = {"user": 1, "name": 1, "profile_image": 1}
            async for profile in self._database.collection(name).find(query, wanted):
                profiles[profile["user"]] = profile
        return {str(user["_id"]): _card(user, profiles.get(user["_id"], {})) for user in users}


def _card(user: Document, profile: Document) -> UserSummary:
    return UserSummary(
        user_id=str(user["_id"]),
        role=user["role"],
        profile_id=str(user.get("profileId", "")),
        name=profile.get("name", ""),
        profile_image=profile.get("profile_image"),
    )


@repository
class Presences:
    def __init__(self, database: Database) -> None:
        self._users = database.collection(users.NAME)

    async def last_seen(self, user_ids: Iterable[str]) -> dict[str, datetime | None]:
        """Of those who exist and are not erased."""
        query = {"_id": {"$in": [ObjectId(i) for i in user_ids]}, "isDeleted": {"$ne": True}}
        found = await self._users.find(query, {"lastSeenAt": 1}).to_list(None)
        return {str(document["_id"]): document.get("lastSeenAt") for document in found}

    async def choose(self, user_id: str, status: Status) -> Choice:
        """A device of the person says so: invisible holds for all of them, until one says something else.

        Answers what holds now.
        """
        held = {"$ne": "invisible"} if status == "invisible" else "invisible"
        wanted = {"presence": 1, "presenceVersion": 1}
        one: Document = {"_id": ObjectId(user_id), "isDeleted": {"$ne": True}}
        changed = await self._users.find_one_and_update(
            {**one, "presence": held},
            {"$set": {"presence": status}, "$inc": {"presenceVersion": 1}},
            wanted,
            return_document=ReturnDocument.AFTER,
        )
        found = changed or await self._users.find_one(one, wanted)
        return NO_CHOICE if found is None else choice_from(found)

    async def choices(self, user_ids: Iterable[str]) -> dict[str, Choice]:
        """Of those who were ever invisible."""
        query = {"_id": {"$in": [ObjectId(i) for i in user_ids]}, "presence": {"$exists": True}}
        found = await self._users.find(query, {"presence": 1, "presenceVersion": 1}).to_list(None)
        return {str(document["_id"]): choice_from(document) for document in found}

    async def raise_last_seen(self, seen: Mapping[str, int]) -> None:
        """``seen``: milliseconds since 1970."""
        writes = [
            UpdateOne(
                {"_id": ObjectId(user_id), "isDeleted": {"$ne": True}},
                {"$max": {"lastSeenAt": datetime.fromtimestamp(milliseconds / 1000, UTC)}},
            )
            for user_id, milliseconds in seen.items()
        ]
        if writes:
            await self._users.bulk_write(writes, ordered=False)
