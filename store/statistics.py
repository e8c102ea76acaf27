"""Counts over whole tables, from indexes where they are many."""

from __future__ import annotations

import msgspec

from store import bookings, reports, users
from store.database import Database, Document
from store.failures import repository
from store.log.documents import CONVERSATIONS, MESSAGES


class Statistics(msgspec.Struct, frozen=True, kw_only=True):
    """``entries``: of all logs, and ``conversations``, by the collections' own counts, which may lag behind a crash."""

    users: dict[str, int]
    blocked_users: int
    bookings: dict[str, int]
    reports: dict[str, int]
    conversations: int
    entries: int


@repository
class Counts:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def all(self) -> Statistics:
        of_users = self._database.collection(users.NAME)
        blocked = await of_users.count_documents({"isBlocked": True, "isDeleted": {"$ne": True}}, hint="states")
        return Statistics(
            users=await self._by(users.NAME, "role", {"isDeleted": {"$ne": True}}, "states"),
            blocked_users=blocked,
            bookings=await self._by(bookings.NAME, "status", {}, "status"),
            reports=await self._by(reports.NAME, "status", {}, "status"),
            conversations=await self._database.collection(CONVERSATIONS).estimated_document_count(),
            entries=await self._database.collection(MESSAGES).estimated_document_count(),
        )

    async def _by(self, collection: str, field: str, query: Document, index: str) -> dict[str, int]:
        grouped = await self._database.collection(collection).aggregate(
            [{"$match": query}, {"$group": {"_id": f"${field}", "count": {"$sum": 1}}}],
            hint=index,
        ).to_list(None)
        return {str(one["_id"]): one["count"] for one in grouped}
