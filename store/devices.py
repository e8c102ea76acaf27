"""The devices that pushes go to: one row an installation of the app, as long as the session lives that registered it.

A token leads to one phone. Whoever registers it last has it: a phone that changes hands shows nothing of its former
owner's.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import msgspec
from bson import ObjectId
from pymongo import ASCENDING, DESCENDING, IndexModel
from pymongo.errors import DuplicateKeyError

from domain.notifications import MAX_DEVICES, Platform
from store.database import ClientSession, CollectionSchema, Database, Document
from store.failures import ChangedMeanwhile, decided_anew, repository

NAME = "pushDevices"
SCHEMAS = (
    CollectionSchema(
        NAME,
        (
            IndexModel([("user", ASCENDING), ("deviceId", ASCENDING)], name="device", unique=True),
            IndexModel([("token", ASCENDING)], name="token", unique=True),
        ),
    ),
)


class PushDevice(msgspec.Struct, frozen=True, kw_only=True):
    """``session_id``: of the session that registered it. ``token`` is a secret of the phone's."""

    id: str
    user_id: str
    device_id: str
    platform: Platform
    token: str
    session_id: str
    updated_at: datetime


@repository
class PushDevices:
    def __init__(self, database: Database) -> None:
        self._rows = database.collection(NAME)

    async def put(
        self, user_id: str, device_id: str, platform: Platform, token: str, session_id: str, now: datetime
    ) -> None:
        """In place of the device's former token, of whoever had the token, and beyond ``MAX_DEVICES`` of the oldest."""
        own: Document = {"user": ObjectId(user_id), "deviceId": device_id}
        fields = {"platform": platform, "token": token, "session": ObjectId(session_id), "updatedAt": now}
        await self._put(own, {"$set": fields, "$setOnInsert": {"createdAt": now}})
        beyond = self._rows.find({"user": own["user"]}, {"_id": 1}).sort("updatedAt", DESCENDING).skip(MAX_DEVICES)
        if old := [one["_id"] async for one in beyond]:
            await self._rows.delete_many({"_id": {"$in": old}})

    @decided_anew
    async def _put(self, own: Document, update: Document) -> None:
        await self._rows.delete_many({"token": update["$set"]["token"], "$nor": [own]})
        try:
            await self._rows.update_one(own, update, upsert=True)
        except DuplicateKeyError as error:
            # The same device, or another with this token, at the same moment.
            raise ChangedMeanwhile from error

    async def remove(self, user_id: str, device_id: str) -> None:
        await self._rows.delete_one({"user": ObjectId(user_id), "deviceId": device_id})

    async def drop(self, device: PushDevice) -> None:
        """Unless it was registered anew meanwhile."""
        same = {"token": device.token, "updatedAt": device.updated_at}
        await self._rows.delete_one({"_id": ObjectId(device.id), **same})

    async def of(self, user_id: str) -> list[PushDevice]:
        found = await self._rows.find({"user": ObjectId(user_id)}).sort("_id", ASCENDING).to_list(MAX_DEVICES)
        return [_device(one) for one in found]

    async def by_id(self, row_id: str) -> PushDevice | None:
        found = await self._rows.find_one({"_id": ObjectId(row_id)})
        return None if found is None else _device(found)

    async def owners(self, among: Iterable[ObjectId]) -> set[ObjectId]:
        """Those of the users who have a device."""
        return set(await self._rows.distinct("user", {"user": {"$in": list(among)}}))

    async def forget(self, user_id: str, *, session: ClientSession | None = None) -> None:
        await self._rows.delete_many({"user": ObjectId(user_id)}, session=session)


def _device(document: Document) -> PushDevice:
    return PushDevice(
        id=str(document["_id"]),
        user_id=str(document["user"]),
        device_id=document["deviceId"],
        platform=document["platform"],
        token=document["token"],
        session_id=str(document["session"]),
        updated_at=document["updatedAt"],
    )
