"""Pushes that are still to be handed in: one row a device and subject, of which a newer one takes the place.

What they say is not kept here: it is read when they go, so that nothing is said that was taken back meanwhile.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec
from bson import ObjectId
from pymongo import ASCENDING, IndexModel
from pymongo.errors import DuplicateKeyError

from domain.notifications import Platform
from store.database import ClientSession, CollectionSchema, Database, Document
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
        rows = self._rows[provider_of(device.platform)]
        key: Document = {"device": ObjectId(device.id), "key": push.key}
        said: Document = {
            "user": ObjectId(push.user_id),
            "order": push.order,
            "kind": push.kind,
            "about": ObjectId(push.about),
            "subject": push.subject,
            "endsAt": push.ends_at,
            "createdAt": now,
            "dueAt": at or now,
        }
        try:
            await rows.update_one(
                {**key, "order": {"$lt": push.order}}, {"$set": said, "$unset": {WORK: ""}}, upsert=True
            )
        except DuplicateKeyError:
            return

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
