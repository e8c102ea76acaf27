"""Conversations that go on past what one of the two has received: what pushes and digests begin with.

Nothing is written when a message is sent. A scan, itself a row of durable work, reads the conversations that changed
since the last one, by their projections; another reads a longer stretch more rarely, for projections that came late.
A participant who lags behind is a row of durable work until it was looked at (``pushDueAt``): ``pushedSeq`` is how far
that has come, ``shownSeq`` the last message that devices were shown and have not been told to take back.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from bson import ObjectId
from pymongo import ASCENDING, IndexModel

from domain.bounded_map import BoundedMap
from domain.conversations import ParticipantRecord
from store.conversations import PARTICIPANTS, participant_from
from store.database import CollectionSchema, Database, Document
from store.failures import repository
from store.log.documents import CONVERSATIONS
from store.work_queue import WORK, WorkQueue, WorkRow, work_indexes

NAME = "unheardScans"
_DUE = "pushDueAt"
_WAITS: Document = {_DUE: {"$exists": True}}
SCHEMAS = (
    CollectionSchema(NAME, work_indexes()),
    CollectionSchema(
        PARTICIPANTS,
        (
            *work_indexes(_DUE, only=_WAITS, owner="userId"),
            IndexModel(
                [("updatedAt", ASCENDING)], name="shown", partialFilterExpression={"shownSeq": {"$exists": True}}
            ),
        ),
        # Rows are found with their users since.
        obsolete=("due",),
    ),
)
_BATCH = 500
_MOST_REMEMBERED = 100_000

ScanName = Literal["fresh", "late", "digest"]
Mark = Literal["deliveredSeq", "seenSeq"]
# How much longer than since the last scan each reads back: projections come a moment late, clocks differ, and what a
# node left that died is found by others within minutes.
OVERLAPS: dict[ScanName, timedelta] = {
    "fresh": timedelta(seconds=5),
    "late": timedelta(minutes=10),
    "digest": timedelta(minutes=10),
}
EACH: dict[ScanName, timedelta] = {
    "fresh": timedelta(seconds=2.5),
    "late": timedelta(minutes=1),
    "digest": timedelta(minutes=10),
}


@dataclass(frozen=True, slots=True)
class Scan:
    """``since``: until when the last one read; ``as_of``: when that was by MongoDB's clock, nothing for the first."""

    name: ScanName
    since: datetime
    as_of: datetime | None


@dataclass(frozen=True, slots=True)
class Side:
    """One of a conversation's two, as far as pushes go."""

    record: ParticipantRecord
    shown_seq: int

    @property
    def received(self) -> int:
        """How far any device confirmed."""
        return max(self.record.delivered_seq, self.record.seen_seq)


@repository
class UndeliveredMessages:
    def __init__(self, database: Database) -> None:
        self._scans = database.collection(NAME)
        self._conversations = database.collection(CONVERSATIONS)
        self._participants = database.collection(PARTICIPANTS)
        self.scans = WorkQueue(database, NAME, named=True)
        # Past the rows of one the planner might look through everybody's, by their users.
        self.queue = WorkQueue(database, PARTICIPANTS, due=_DUE, only=_WAITS, owner="userId", hint="turns")
        self._looked: dict[ScanName, BoundedMap[ObjectId, int]] = {
            name: BoundedMap(_MOST_REMEMBERED) for name in OVERLAPS
        }

    # --- scans ---

    async def begin(self, names: Collection[ScanName], now: datetime) -> None:
        """Scans that there are not yet begin from here on."""
        for name in names:
            await self.scans.begin(name, now, {"since": now})

    async def scan(self, claimed: WorkRow) -> Scan:
        """Notes by MongoDB's clock when it began."""
        before = await self._scans.find_one_and_update({"_id": claimed.id}, {"$currentDate": {"begunAt": True}})
        return Scan(claimed.id, claimed.document["since"], (before or {}).get("begunAt"))

    async def scanned(self, claimed: WorkRow, until: datetime, next_at: datetime) -> None:
        """Unless another has taken it over."""
        await self.scans.reschedule(claimed, next_at, {"since": until})

    async def lagging(
        self, scan: Scan, since: datetime, mark: Mark, done: str
    ) -> AsyncIterator[list[tuple[ObjectId, ObjectId]]]:
        """Participants of the conversations that changed since then, and their users, whose mark and whose field
        ``done`` are behind the last message; in batches. The last sender may be among them.

        What this process has been given of a conversation by this scan it is given again for a newer message only.
        """
        looked = self._looked[scan.name]
        changed = self._conversations.find(
            {"updatedAt": {"$gte": since}, "lastSeq": {"$gt": 0}}, {"lastSeq": 1}, batch_size=_BATCH
        )
        last: dict[ObjectId, int] = {}
        async for one in changed:
            if looked.get(one["_id"], 0) < one["lastSeq"]:
                last[one["_id"]] = one["lastSeq"]
            if len(last) == _BATCH:
                yield await self._behind(last, mark, done)
                looked.update(last)
                last = {}
        if last:
            yield await self._behind(last, mark, done)
            looked.update(last)

    async def _behind(self, last: Mapping[ObjectId, int], mark: Mark, done: str) -> list[tuple[ObjectId, ObjectId]]:
        fields = {"conversationId": 1, "userId": 1, mark: 1, done: 1}
        found = await self._participants.find({"conversationId": {"$in": list(last)}}, fields).to_list(None)
        return [
            (one["_id"], one["userId"])
            for one in found
            if max(one.get(mark, 0), one.get(done, 0)) < last[one["conversationId"]]
        ]

    async def look_at(self, participant_ids: Sequence[ObjectId], at: datetime) -> None:
        """They are due then, unless they are due already."""
        waiting = {"_id": {"$in": list(participant_ids)}, _DUE: None}
        await self._participants.update_many(waiting, {"$set": {_DUE: at}, "$unset": {WORK: ""}})

    async def read_elsewhere(self, as_of: datetime | None) -> list[Side]:
        """Who has read since then (by MongoDB's clock) what devices still show."""
        read: Document = {"shownSeq": {"$exists": True}, "$expr": {"$gte": ["$seenSeq", "$shownSeq"]}}
        if as_of is not None:
            read["updatedAt"] = {"$gte": as_of}
        return [_side(one) for one in await self._participants.find(read, hint="shown").to_list(None)]

    # --- one participant ---

    async def recheck(self, participant_id: str, seq: int, now: datetime) -> None:
        """A message was taken back: if it is what devices show, that is looked at."""
        shows = {"_id": ObjectId(participant_id), "shownSeq": seq}
        await self._participants.update_one(shows, {"$set": {_DUE: now}, "$unset": {WORK: ""}})

    @staticmethod
    def row(claimed: WorkRow) -> Side:
        return _side(claimed.document)

    async def side(self, participant_id: str) -> Side | None:
        found = await self._participants.find_one({"_id": ObjectId(participant_id)})
        return None if found is None else _side(found)

    async def looked_at(self, side: Side, seq: int, shown: int | None) -> None:
        """Up to there nothing is left to be pushed; ``shown``: the message that devices are to show."""
        marks = {"pushedSeq": seq} if shown is None else {"pushedSeq": seq, "shownSeq": shown}
        await self._participants.update_one({"_id": ObjectId(side.record.id)}, {"$max": marks})

    async def taken_back(self, side: Side) -> None:
        """Devices were told, unless they were shown something newer meanwhile."""
        await self._participants.update_one(
            {"_id": ObjectId(side.record.id), "shownSeq": side.shown_seq}, {"$unset": {"shownSeq": ""}}
        )


def _side(document: Document) -> Side:
    return Side(participant_from(document), document.get("shownSeq", 0))
