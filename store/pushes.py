"""Pushes that are still to be handed in: one row a device and subject, of which a newer one takes the place.

What they say is not kept here: it is read when they go, so that nothing is said that was taken back meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Literal, NamedTuple

import msgspec
from bson import ObjectId
from pymongo import ASCENDING, IndexModel
from pymongo.errors import DuplicateKeyError

from domain.notifications import Platform
from store.database import ClientSession, Collection, CollectionSchema, Database, Document
from store.devices import PushDevice
from store.failures import repository
from store.work_queue import WORK, WorkQueue, WorkRow, work_indexes

Provider = Literal["apns", "fcm"]
NAMES: dict[Provider, str] = {"apns": "apnsPushes", "fcm": "fcmPushes"}
_INDEXES = (
    IndexModel([("device", ASCENDING), ("key", ASCENDING)], name="effect", unique=True),
    IndexModel([("user", ASCENDING)], name="user"),
    # Housekeeping: of rows that were set aside.
    IndexModel([("endsAt", ASCENDING)], name="end", expireAfterSeconds=7 * 24 * 3600),
    *work_indexes(owner="user"),
)
# "due": rows are found with their users since.
SCHEMAS = tuple(CollectionSchema(name, _INDEXES, obsolete=("due",)) for name in NAMES.values())
PushKind = Literal["entry", "withdrawal", "reminder"]


class PendingPush(msgspec.Struct, frozen=True, kw_only=True):
    """``key``: what newer ones take the place of. ``order``: which of two is newer. ``about``: the participant (of
    entries and withdrawals) or the booking; ``subject``: the message, or the start that was reminded of.

    ``ends_at``: when nobody needs it any more.
    """

    user_id: str
    device: str
    key: str
    order: int
    kind: PushKind
    about: str
    subject: str
    ends_at: datetime


class DuePush(NamedTuple):
    """``at``: not to be handed in before then."""

    device: PushDevice
    push: PendingPush
    at: datetime


def provider_of(platform: Platform) -> Provider:
    return "apns" if platform == "ios" else "fcm"


@repository
class Pushes:
    def __init__(self, database: Database) -> None:
        self._rows = {provider: database.collection(name) for provider, name in NAMES.items()}
        self.queues = {
            provider: WorkQueue(database, name, removes=True, owner="user") for provider, name in NAMES.items()
        }

    async def add(self, device: PushDevice, push: PendingPush, now: datetime, at: datetime | None = None) -> None:
        """In place of an older one of its key; nothing where there is a newer one, or the same.
        ``at``: not before then."""
        key = _key(device, push)
        try:
            await self._rows_of(device).update_one(
                {**key, "order": {"$lt": push.order}}, _said(push, now, at or now), upsert=True
            )
        except DuplicateKeyError:
            return

    async def add_all(self, due: Iterable[DuePush], now: datetime, *, session: ClientSession) -> None:
        """The same in a transaction, which a key that is there would end."""
        for device, push, at in due:
            rows, key = self._rows_of(device), _key(device, push)
            known = await rows.find_one(key, {"order": 1}, session=session)
            if known is None or known["order"] < push.order:
                await rows.update_one(key, _said(push, now, at), upsert=True, session=session)

    def _rows_of(self, device: PushDevice) -> Collection:
        return self._rows[provider_of(device.platform)]

    @staticmethod
    def row(claimed: WorkRow) -> PendingPush:
        found = claimed.document
        return PendingPush(
            user_id=str(found["user"]),
            device=str(found["device"]),
            key=found["key"],
            order=found["order"],
            kind=found["kind"],
            about=str(found["about"]),
            subject=found["subject"],
            ends_at=found["endsAt"],
        )

    async def forget(self, user_id: str, *, session: ClientSession | None = None) -> None:
        for rows in self._rows.values():
            await rows.delete_many({"user": ObjectId(user_id)}, session=session)


def _key(device: PushDevice, push: PendingPush) -> Document:
    return {"device": ObjectId(device.id), "key": push.key}


def _said(push: PendingPush, now: datetime, at: datetime) -> Document:
    """The update that makes it what is pushed next, whatever was tried before."""
    fields = {
        "user": ObjectId(push.user_id),
        "order": push.order,
        "kind": push.kind,
        "about": ObjectId(push.about),
        "subject": push.subject,
        "endsAt": push.ends_at,
        "createdAt": now,
        "dueAt": at,
    }
    return {"$set": fields, "$unset": {WORK: ""}}
