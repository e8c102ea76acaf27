"""How far each participant has received and read: forward only, written together.

People's phones report two marks a message, so a write for each would cost more than the messages themselves;
what arrives while a write is in flight goes in the next one, the highest mark of each participant once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from bson import ObjectId
from pymongo.errors import PyMongoError

from domain.bounded_map import BoundedMap
from domain.errors import unavailable
from store.concurrency import SingleFlight, WriteBehind
from store.conversations import PARTICIPANTS
from store.database import Database, Document
from store.failures import repeat_unanswered, repository, to_domain

MAX_REMEMBERED = 100_000
MAX_BATCH = 512
FIRST_TRY_SECONDS = 2.0


@dataclass(slots=True)
class Marks:
    """``seen`` never passes ``delivered``: what was read was received."""

    seen: int = 0
    delivered: int = 0

    def raised(self, other: Marks) -> Marks:
        seen = max(self.seen, other.seen)
        return Marks(seen, max(self.delivered, other.delivered, seen))


@dataclass(slots=True)
class _Waiting:
    marks: Marks
    written: asyncio.Future[None]


@repository
class Watermarks:
    def __init__(self, database: Database) -> None:
        self._db = database.db
        self._participants = database.collection(PARTICIPANTS)
        self._known: BoundedMap[str, Marks] = BoundedMap(MAX_REMEMBERED)
        self._loading = SingleFlight()
        self._writes: WriteBehind[str, _Waiting] = WriteBehind(self._write_batch, _merged, max_batch=MAX_BATCH)

    async def raise_to(self, participant_id: str, marks: Marks) -> tuple[Marks, Marks]:
        """Move the marks forward, durably; answers what was known before and what holds now.

        Another node may have raised them further in the meantime: then both are lower bounds, and whoever is
        sent them keeps the highest it received.
        """
        before = self._known.get(participant_id) or await self._load(participant_id)
        after = before.raised(marks)
        if after != before:
            await asyncio.shield(self._write(participant_id, after))
            before = self._known.get(participant_id, before)
            after = before.raised(marks)
            self._known[participant_id] = after
        return before, after

    def known(self, participant_id: str) -> Marks:
        """The marks as last seen by this process, without looking: lower bounds."""
        return self._known.get(participant_id) or Marks()

    def learn(self, participant_id: str, marks: Marks) -> None:
        """The marks as they were just read, which spares the look-up of each by itself."""
        if participant_id not in self._known:
            self._known[participant_id] = marks

    async def _load(self, participant_id: str) -> Marks:
        """One look-up at a time for each: a second one would find a mark that is written and not returned yet."""
        return await self._loading.do(participant_id, lambda: self._find(participant_id))

    async def _find(self, participant_id: str) -> Marks:
        found = await self._participants.find_one(
            {"_id": ObjectId(participant_id)}, {"seenSeq": 1, "deliveredSeq": 1}
        )
        marks = Marks(found.get("seenSeq", 0), found.get("deliveredSeq", 0)) if found else Marks()
        self._known[participant_id] = marks
        return marks

    def _write(self, participant_id: str, marks: Marks) -> asyncio.Future[None]:
        """Submit the marks; the future is that of the batch which carries them."""
        waiting = self._writes.waiting(participant_id)
        if waiting is None:
            waiting = _Waiting(marks, asyncio.get_running_loop().create_future())
            self._writes.note(participant_id, waiting)
        else:
            waiting.marks = waiting.marks.raised(marks)
        return waiting.written

    async def _write_batch(self, batch: Mapping[str, _Waiting]) -> None:
        """Those who wait receive a failure, so a batch is not tried again."""
        error: Exception | None = None
        try:
            # Forward only, and so as often as one likes.
            reply = await repeat_unanswered(partial(self._db.command, _command(batch)), FIRST_TRY_SECONDS)
            if "writeErrors" in reply or "writeConcernError" in reply:
                error = unavailable()
        except PyMongoError as failure:
            error = to_domain(failure) or failure
        for waiting in batch.values():
            if error is None:
                waiting.written.set_result(None)
            else:
                waiting.written.set_exception(error)
                # A reader that left must not make the loop complain.
                waiting.written.exception()


def _merged(older: _Waiting, newer: _Waiting) -> _Waiting:
    return _Waiting(older.marks.raised(newer.marks), older.written)


def _command(batch: Mapping[str, _Waiting]) -> Document:
    return {
        "update": PARTICIPANTS,
        "updates": [_update(participant_id, waiting.marks) for participant_id, waiting in batch.items()],
        "ordered": False,
        "writeConcern": {"w": "majority", "j": True},
    }


def _update(participant_id: str, marks: Marks) -> Document:
    raised = {"seenSeq": marks.seen, "deliveredSeq": marks.delivered}
    return {"q": {"_id": ObjectId(participant_id)}, "u": {"$max": raised, "$currentDate": {"updatedAt": True}}}
