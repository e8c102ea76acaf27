"""Finding messages by what they say: one's conversations from the newest message back, a bounded stretch a call.

Each message carries its text's spelling (``domain/text.py``), so that the server compares bytes and folds nothing. What
lacks it, or has that of another text, was written by an earlier version: it is read and compared here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from time import monotonic

from bson import ObjectId
from pymongo.errors import PyMongoError

from domain.messages import MessageRecord, fold
from domain.text import spelling
from store.database import Database, Document
from store.failures import repository
from store.log.documents import MESSAGES, SAYING, SAYS_SOMETHING, message_record, spelled_of
from store.log.reader import LogReader, Waiting

# What one call looks through: so long at most, in stretches that grow as far as the time left allows.
SEARCH_SECONDS = 0.06
FIRST_STRETCH = 500
LONGEST_STRETCH = 8_000
_SHORTEST_STRETCH = 50
_GROWTH = 4
# The planner merges so many ranges of an index in the order of the sort (internalQueryMaxScansToExplode); with more
# it would read all of them first.
MERGED_CONVERSATIONS = 200
# Documents that are fetched together; texts may be long.
_FETCHED = 100


@dataclass(frozen=True, slots=True)
class FoundMessages:
    """``rest``: messages older than this one may be found too; None when all were looked through."""

    records: list[MessageRecord]
    rest: str | None


@dataclass(frozen=True, slots=True)
class _Stretch:
    """What may match in a stretch, newest first, and its oldest message, if it isn't the last stretch."""

    candidates: list[ObjectId]
    end: ObjectId | None


@repository
class MessageSearch:
    """``first``: of how many messages the first stretch of a call is; ``seconds``: after which it begins no further."""

    def __init__(
        self, database: Database, reader: LogReader, *, first: int = FIRST_STRETCH, seconds: float = SEARCH_SECONDS
    ) -> None:
        self._messages = database.collection(MESSAGES)
        self._reader = reader
        self._first = first
        self._seconds = seconds

    async def page(
        self, conversation_ids: Iterable[str], text: str, before: str | None, limit: int
    ) -> FoundMessages:
        """At most ``limit`` messages that say it, whatever the spelling; newest first, older than ``before``.

        Fewer, or none, with a ``rest`` when that took as long as a call may.
        """
        wanted, ids = spelling(text), list(conversation_ids)
        if not wanted or not ids:
            return FoundMessages([], None)
        waiting = await self._reader.unapplied(ids)
        groups = [ids[start : start + MERGED_CONVERSATIONS] for start in range(0, len(ids), MERGED_CONVERSATIONS)]
        began, size, place = monotonic(), self._first, None if before is None else ObjectId(before)
        found: list[MessageRecord] = []
        looked_through = 0
        while True:
            try:
                stretch = await self._stretch(groups, wanted, list(waiting), place, size)
                records = await self._matching(stretch.candidates, wanted, waiting, limit + 1 - len(found))
            except PyMongoError as error:
                # Short of an answer only where even the shortest stretch takes too long.
                if not error.timeout or size == _SHORTEST_STRETCH:
                    raise
                if looked_through:
                    return FoundMessages(found, str(place))
                size = _SHORTEST_STRETCH
                continue
            found += records
            if len(found) > limit:
                return FoundMessages(found[:limit], found[limit - 1].id)
            place = stretch.end
            if place is None:
                return FoundMessages(found, None)
            if len(found) == limit:
                return FoundMessages(found, str(place))
            looked_through += size
            size = self._next_size(size, looked_through, monotonic() - began)
            if not size:
                return FoundMessages(found, str(place))

    def _next_size(self, size: int, looked_through: int, seconds: float) -> int:
        """As many as should fit into the time left; 0 when it is up."""
        fitting = int(looked_through / max(seconds, 1e-6) * (self._seconds - seconds))
        return min(size * _GROWTH, LONGEST_STRETCH, fitting) if fitting >= _SHORTEST_STRETCH else 0

    async def _stretch(
        self, groups: Sequence[Sequence[str]], wanted: str, changed: Sequence[str], before: ObjectId | None, size: int
    ) -> _Stretch:
        """Of several groups as far back as the one with the most to say in the time."""
        some = max(size // len(groups), 1)
        parts = [await self._of_group(group, wanted, changed, before, some) for group in groups]
        end = max((part.end for part in parts if part.end is not None), default=None)
        candidates = (one for part in parts for one in part.candidates if end is None or one >= end)
        return _Stretch(sorted(candidates, reverse=True), end)

    async def _of_group(
        self, ids: Sequence[str], wanted: str, changed: Sequence[str], before: ObjectId | None, size: int
    ) -> _Stretch:
        pipeline = stretch_pipeline(ids, wanted, changed, before, size)
        async for row in self._messages.aggregate(pipeline, hint=SAYING):
            end = row["end"] if row["count"] == size else None
            return _Stretch(row["candidates"], end)
        return _Stretch([], None)

    async def _matching(
        self, candidates: Sequence[ObjectId], wanted: str, waiting: Waiting, limit: int
    ) -> list[MessageRecord]:
        """The first of the candidates that match, as they now stand."""
        found: list[MessageRecord] = []
        for start in range(0, len(candidates), _FETCHED):
            chunk = candidates[start : start + _FETCHED]
            documents = {one["_id"]: one async for one in self._messages.find({"_id": {"$in": list(chunk)}})}
            for key in chunk:
                record = _if_it_matches(documents.get(key), wanted, waiting)
                if record is not None:
                    found.append(record)
                    if len(found) == limit:
                        return found
        return found


def stretch_pipeline(
    ids: Sequence[str], wanted: str, changed: Sequence[str], before: ObjectId | None, size: int
) -> list[Document]:
    """Looks at ``size`` messages older than ``before``, and answers one row: those of them that may match."""
    older: Document = {} if before is None else {"_id": {"$lt": before}}
    place = {"$indexOfBytes": [{"$ifNull": ["$spelling", {"$literal": wanted}]}, {"$literal": wanted}]}
    stale = {"$ne": [{"$ifNull": ["$spellingSeq", 0]}, {"$ifNull": ["$editSeq", 0]}]}
    may_say: list[Document] = [{"$gte": [place, 0]}, stale]
    if changed:
        may_say.append({"$in": ["$_id", [ObjectId(one) for one in changed]]})
    candidate = {"$and": [{"$eq": [{"$type": "$change"}, "missing"]}, {"$or": may_say}]}
    return [
        {"$match": {"conversationId": {"$in": [ObjectId(one) for one in ids]}, **SAYS_SOMETHING, **older}},
        {"$sort": {"_id": -1}},
        {"$limit": size},
        {
            "$group": {
                "_id": None,
                "count": {"$sum": 1},
                "end": {"$min": "$_id"},
                "candidates": {"$push": {"$cond": [candidate, "$_id", "$$REMOVE"]}},
            }
        },
    ]


def _if_it_matches(document: Document | None, wanted: str, waiting: Waiting) -> MessageRecord | None:
    if document is None:
        return None
    record = message_record(document)
    if record.id in waiting:
        record = reduce(fold, waiting[record.id], record)
        text = spelling(record.text or "")
    else:
        text = spelled_of(document)
    return record if record.deleted_at is None and wanted in text else None
