"""Spellings for what earlier versions wrote: messages and listings, oldest first, a batch at a time.

A row a kind says how far that has come; it stays, without an instant, when it is done. Search works meanwhile: it reads
what lacks its spelling (``store/log/search.py``).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from bson import ObjectId
from pymongo import UpdateOne

from domain.text import spelling
from store.database import CollectionSchema, Database, Document
from store.failures import repository
from store.listings import NAME as LISTINGS
from store.listings import Listings
from store.log.documents import MESSAGES
from store.work_queue import WorkQueue, WorkRow, work_indexes

NAME = "respellings"
SCHEMAS = (CollectionSchema(NAME, work_indexes()),)
# Raised with every change of ``domain.text.spelling``; all is then done again.
VERSION = 1
# Beside what people do; a message takes up to 30 us of this process, a listing one transaction.
MESSAGES_AT_ONCE = 500
LISTINGS_AT_ONCE = 25
PAUSE = timedelta(seconds=0.5)
_AT_ONCE = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST = ObjectId("0" * 24)
_KINDS = ("messages", "listings")


@repository
class Respelling:
    def __init__(self, database: Database, listings: Listings) -> None:
        self._messages = database.collection(MESSAGES)
        self._listed = database.collection(LISTINGS)
        self._listings = listings
        self.queue = WorkQueue(database, NAME, named=True)

    async def begin(self) -> None:
        """At a start; nothing where it was begun before."""
        for kind in _KINDS:
            await self.queue.begin(f"{kind} {VERSION}", _AT_ONCE, {"after": _FIRST})

    async def step(self, claimed: WorkRow, now: datetime) -> None:
        """The next batch; the row is due again unless that was the last."""
        messages = claimed.id.startswith("messages ")
        after = await (self._next_messages if messages else self._next_listings)(claimed.document["after"])
        if after is not None:
            await self.queue.reschedule(claimed, now + PAUSE, {"after": after})

    async def _next_messages(self, after: ObjectId) -> ObjectId | None:
        shown = {"text": 1, "spelling": 1, "spellingSeq": 1, "editSeq": 1, "change": 1}
        query: Document = {"_id": {"$gt": after}}
        found = await self._messages.find(query, shown).sort("_id", 1).limit(MESSAGES_AT_ONCE).to_list(None)
        if updates := [update for one in found if (update := _spelled(one)) is not None]:
            await self._messages.bulk_write(updates, ordered=False)
        return found[-1]["_id"] if found else None

    async def _next_listings(self, after: ObjectId) -> ObjectId | None:
        query: Document = {"_id": {"$gt": after}}
        found = await self._listed.find(query, {"_id": 1}).sort("_id", 1).limit(LISTINGS_AT_ONCE).to_list(None)
        for one in found:
            await self._listings.derive(str(one["_id"]))
        return found[-1]["_id"] if found else None


def _spelled(document: Document) -> UpdateOne | None:
    """Nothing for what is as it should be; never written over what a message says by then."""
    text, seq = document.get("text"), document.get("editSeq", 0)
    if "change" in document:
        return None
    if not isinstance(text, str):
        # Deleted by an earlier version that ran beside this one.
        gone = {"$unset": {"spelling": "", "spellingSeq": ""}}
        return UpdateOne({"_id": document["_id"], "text": None}, gone) if "spelling" in document else None
    values: dict[str, Any] = {"spelling": spelling(text), "spellingSeq": seq}
    if document.get("spelling") == values["spelling"] and document.get("spellingSeq", 0) == seq:
        return None
    return UpdateOne({"_id": document["_id"], "text": text, "editSeq": seq or {"$exists": False}}, {"$set": values})
