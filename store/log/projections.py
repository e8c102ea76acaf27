"""What conversations show of their log: head, last message, time. Written behind, forward only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from bson import ObjectId
from pymongo import UpdateOne

from store.concurrency import WriteBehind
from store.database import Database, Document
from store.log.documents import CONVERSATIONS, MESSAGES

# An idle server writes at once; a busy one gathers for this long.
PAUSE_SECONDS = 0.25
# Nodes write within PAUSE_SECONDS of a commit; what a dead one left is younger than this before the newest.
REPAIR_WINDOW = timedelta(minutes=1)
REPAIR_BATCH = 1_000


@dataclass(slots=True)
class _Latest:
    head: int
    message_seq: int = 0
    message_id: ObjectId | None = None
    at: datetime | None = None


class Projections:
    def __init__(self, database: Database) -> None:
        self._conversations = database.collection(CONVERSATIONS)
        self._messages = database.collection(MESSAGES)
        self._writes: WriteBehind[ObjectId, _Latest] = WriteBehind(self._write, _merged, pause_seconds=PAUSE_SECONDS)

    def note(self, entry: Document) -> None:
        """An entry was committed."""
        latest = self._writes.waiting(entry["conversationId"])
        if latest is None:
            latest = self._writes.note(entry["conversationId"], _Latest(entry["seq"]))
        _advance(latest, entry)

    async def begin(self, first: Document) -> None:
        """A conversation's first entry was committed: both sides see the conversation from now on."""
        latest = _Latest(first["seq"])
        _advance(latest, first)
        await self._write({first["conversationId"]: latest})

    async def flush(self) -> None:
        """Return when all that was noted is written."""
        await self._writes.flush()

    async def _write(self, latest: Mapping[ObjectId, _Latest]) -> None:
        await self._conversations.bulk_write([_update(i, one) for i, one in latest.items()], ordered=False)

    async def repair_recent(self) -> None:
        """At a start: of whatever the last run may have left behind."""
        newest = await self._conversations.find_one({}, sort=[("updatedAt", -1)], projection={"updatedAt": 1})
        if newest is not None:
            await self.repair(newest["updatedAt"] - REPAIR_WINDOW, None)

    async def repair(
        self, since: datetime, until: datetime | None, *, only_behind: bool = False
    ) -> dict[str, int]:
        """Bring the projections of the entries submitted in that time up to date; answers how far their conversations
        got. ``only_behind``: of those whose projection did not show it.
        """
        within = {"$gte": ObjectId.from_datetime(since)}
        if until is not None:
            within["$lt"] = ObjectId.from_datetime(until)
        found: dict[ObjectId, _Latest] = {}
        async for group in self._messages.aggregate([{"$match": {"_id": within}}, _LATEST]):
            message = group["message"] or {}
            found[group["_id"]] = _Latest(group["head"], message.get("seq", 0), message.get("id"), message.get("at"))
        if only_behind:
            found = await self._behind(found)
        ids = list(found)
        for start in range(0, len(ids), REPAIR_BATCH):
            updates = [_update(i, found[i]) for i in ids[start : start + REPAIR_BATCH]]
            await self._conversations.bulk_write(updates, ordered=False)
        return {str(conversation_id): latest.head for conversation_id, latest in found.items()}

    async def _behind(self, found: dict[ObjectId, _Latest]) -> dict[ObjectId, _Latest]:
        ids, behind = list(found), dict[ObjectId, _Latest]()
        for start in range(0, len(ids), REPAIR_BATCH):
            some = {"_id": {"$in": ids[start : start + REPAIR_BATCH]}}
            async for shown in self._conversations.find(some, {"head": 1}):
                if shown.get("head", 0) < found[shown["_id"]].head:
                    behind[shown["_id"]] = found[shown["_id"]]
        return behind


# Of each conversation. A comparison of documents is one of their first fields, and of nothing with one is lost.
_LATEST: Document = {
    "$group": {
        "_id": "$conversationId",
        "head": {"$max": "$seq"},
        "message": {
            "$max": {
                "$cond": [
                    {"$eq": [{"$type": "$change"}, "missing"]},
                    {"seq": "$seq", "id": "$_id", "at": "$createdAt"},
                    None,
                ]
            }
        },
    }
}


def _advance(latest: _Latest, entry: Document) -> None:
    latest.head = max(latest.head, entry["seq"])
    if "change" not in entry and entry["seq"] > latest.message_seq:
        latest.message_seq, latest.message_id = entry["seq"], entry["_id"]
        latest.at = entry["createdAt"]


def _merged(older: _Latest, newer: _Latest) -> _Latest:
    if newer.message_id is None:
        return _Latest(newer.head, older.message_seq, older.message_id, older.at)
    return newer


def _update(conversation_id: ObjectId, latest: _Latest) -> UpdateOne:
    """Each field moves forward only, whichever node writes last."""
    fields: dict[str, Any] = {"head": {"$max": ["$head", latest.head]}}
    if latest.message_id is not None:
        newer = {"$gt": [latest.message_seq, {"$ifNull": ["$lastSeq", 0]}]}
        for name, value in (("lastMessage", latest.message_id), ("lastSeq", latest.message_seq)):
            fields[name] = {"$cond": [newer, value, f"${name}"]}
        # Not by ``seq``: the clock of the node that wrote the newer message may be behind.
        fields["updatedAt"] = {"$max": ["$updatedAt", latest.at]}
    return UpdateOne({"_id": conversation_id}, [{"$set": fields}])
