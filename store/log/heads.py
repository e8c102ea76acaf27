"""What the appender looks up: heads (a conversation's highest majority-committed ``seq``) and earlier entries."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from bson import ObjectId

from store.database import ClientSession, Collection, Database, Document
from store.log.documents import MESSAGES

# Sorting by both, descending, lets the server skip from head to head (a DISTINCT_SCAN: one key a
# conversation) where sorting by seq alone reads every entry.
SORT = {"conversationId": -1, "seq": -1}


def pipeline(ids: Iterable[ObjectId]) -> list[dict[str, Any]]:
    return [
        {"$match": {"conversationId": {"$in": list(ids)}}},
        {"$sort": SORT},
        {"$group": {"_id": "$conversationId", "head": {"$first": "$seq"}}},
    ]


class Heads:
    def __init__(self, database: Database) -> None:
        self._database = database
        self._messages: Collection = database.collection(MESSAGES)

    async def of(self, ids: Iterable[ObjectId], session: ClientSession | None = None) -> dict[ObjectId, int]:
        """Majority-committed heads; a conversation without entries is not in the answer."""
        heads: dict[ObjectId, int] = {}
        async for row in self._messages.aggregate(pipeline(ids), session=session, maxTimeMS=5000):
            heads[row["_id"]] = row["head"]
        return heads

    async def after(self, reply: Document, ids: Iterable[ObjectId]) -> dict[ObjectId, int]:
        """Heads as of an earlier reply's operation time.

        After a lost race the winner's entry may not be majority-committed yet. Waiting for exactly that
        moment, rather than asking again and again, also lets the loser start level with the winner.
        """
        if "operationTime" not in reply or "$clusterTime" not in reply:
            return await self.of(ids)
        async with await self._database.client.start_session(causal_consistency=True) as session:
            session.advance_cluster_time(reply["$clusterTime"])
            session.advance_operation_time(reply["operationTime"])
            return await self.of(ids, session)


class Deduplication:
    """Finds the entry that an append collided with."""

    def __init__(self, database: Database) -> None:
        self._messages = database.collection(MESSAGES)

    async def first_of(self, entry: Document) -> Document | None:
        """The entry itself, if it was stored after all; else the first under one of its keys.

        Nothing while no majority has committed it.
        """
        found = await self._messages.find_one({"_id": entry["_id"]})
        for name in ("commandKey", "clientMessageId"):
            if found is None and name in entry:
                key = {field: entry[field] for field in ("conversationId", "senderId", name)}
                found = await self._messages.find_one(key)
        return found
