"""What each user turned off, and when it is not to be disturbed; nothing of whoever never said."""

from __future__ import annotations

from datetime import datetime

from bson import ObjectId

from domain.notifications import BY_NAME, DEFAULTS, Preferences, QuietHours
from store.database import ClientSession, CollectionSchema, Database, Document
from store.failures import repository

NAME = "notificationPreferences"
SCHEMAS = (CollectionSchema(NAME, ()),)


@repository
class NotificationPreferences:
    def __init__(self, database: Database) -> None:
        self._rows = database.collection(NAME)

    async def of(self, user_id: str) -> Preferences:
        return _preferences(await self._rows.find_one({"_id": ObjectId(user_id)}))

    async def put(self, user_id: str, preferences: Preferences, now: datetime) -> None:
        document: Document = {
            "off": [{"kind": kind, "channel": channel} for kind, channel in sorted(preferences.off)],
            "updatedAt": now,
        }
        if (quiet := preferences.quiet_hours) is not None:
            document["quietHours"] = {"start": quiet.start, "end": quiet.end, "timeZone": quiet.time_zone}
        await self._rows.replace_one({"_id": ObjectId(user_id)}, document, upsert=True)

    async def turn_off(self, user_id: str, kind: str, channel: str, now: datetime) -> None:
        """One channel of a kind; what else was chosen stays."""
        await self._rows.update_one(
            {"_id": ObjectId(user_id)},
            {"$addToSet": {"off": {"kind": kind, "channel": channel}}, "$set": {"updatedAt": now}},
            upsert=True,
        )

    async def forget(self, user_id: str, *, session: ClientSession | None = None) -> None:
        await self._rows.delete_one({"_id": ObjectId(user_id)}, session=session)


def _preferences(document: Document | None) -> Preferences:
    if document is None:
        return DEFAULTS
    quiet = document.get("quietHours")
    return Preferences(
        # A kind that there is no more is nobody's.
        off=frozenset((one["kind"], one["channel"]) for one in document.get("off", ()) if one["kind"] in BY_NAME),
        quiet_hours=None
        if quiet is None
        else QuietHours(start=quiet["start"], end=quiet["end"], time_zone=quiet["timeZone"]),
    )
