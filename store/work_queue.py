"""Rows that wait to be worked on, claimed one by one for a while: what the durable-work runner reads and writes.

A row is a document of any collection with one indexed instant, the time from which on it is due. Claiming moves that
instant to the end of the claim, so that nobody has to skip what others are working on; success removes the row or its
instant, failure moves the instant on. What the work on a row has come to so far lies in its field ``work``:
``{attempts, excused, since, error?, deadAt?}``. Whoever gives a row a new instant also unsets ``work``: its claimer by
``reschedule``, others by a write of their own, which ends the claim.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Collection as Several
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from bson import ObjectId
from pymongo import ASCENDING, IndexModel
from pymongo.errors import DuplicateKeyError

from store.database import Collection, Database, Document
from store.failures import repository

WORK = "work"
# Of the reads that a node makes whether or not anybody asks, for readers of MongoDB's profile and slow queries.
POLL_COMMENT = "durable work"
# Metrics need no exact numbers beyond this.
MAX_COUNTED = 10_000


@dataclass(frozen=True, slots=True)
class WorkRow:
    """A claimed row: its document as it was before, the end of the claim, and how often it was claimed.

    ``excused``: how many of the attempts failed through no fault of the row, or were given back. ``owner``: whose it
    is, where rows have owners.
    """

    id: Any
    document: Document
    due_at: datetime
    until: datetime
    attempts: int
    excused: int
    owner: Any = None

    @property
    def faults(self) -> int:
        """How many attempts count against the row, this one included."""
        return self.attempts - self.excused


@dataclass(frozen=True, slots=True)
class WorkBacklog:
    """``waiting``: rows that are due or being worked on; ``oldest``: since when the first of them has been due.

    ``dead``: rows that were set aside.
    """

    waiting: int
    oldest: datetime | None
    dead: int


@dataclass(frozen=True, slots=True)
class DeadRow:
    """``error``: the kind of the last one."""

    id: Any
    error: str
    attempts: int
    dead_at: datetime


@dataclass(frozen=True, slots=True)
class Undated:
    """Rows as earlier versions wrote them, without an instant: they are due so long after one of their fields."""

    field: str
    after: timedelta


def work_indexes(
    due: str = "dueAt", *, only: Document | None = None, owner: str | None = None
) -> tuple[IndexModel, IndexModel]:
    """For the rows that are due (with their owners where those take turns), and for those that are or were being worked
    on."""
    begun: Document = {f"{WORK}.since": {"$exists": True}}
    keys = [(due, ASCENDING)] if owner is None else [(due, ASCENDING), (owner, ASCENDING)]
    name = "due" if owner is None else "turns"
    by_due = (
        IndexModel(keys, name=name) if only is None else IndexModel(keys, name=name, partialFilterExpression=only)
    )
    return by_due, begun_index(begun)


def begun_index(begun: Document | None = None) -> IndexModel:
    """For the rows that are or were being worked on, where the collection has an index by instant of its own."""
    return IndexModel(
        [(f"{WORK}.since", ASCENDING)],
        name="work",
        partialFilterExpression=begun or {f"{WORK}.since": {"$exists": True}},
    )


@repository
class WorkQueue:
    """``due``: the name of the instant. ``only``: which documents of the collection are rows. ``removes``: a row
    whose work is done goes; otherwise it loses its instant, unless the work has given it another.

    ``shared``: where several queues have one collection, what all rows of this queue have for as long as they live, and
    no others; its fields come first in the index of instants.

    ``free``: a further condition for claiming at this time. Several nodes may use the same rows. ``owner``: the field
    that says whose a row is, where nobody's many rows are to hold up another's. ``named``: its rows have names for ids.
    """

    def __init__(
        self,
        database: Database,
        collection: str,
        *,
        due: str = "dueAt",
        only: Document | None = None,
        removes: bool = False,
        undated: Undated | None = None,
        free: Callable[[datetime], Document] | None = None,
        hint: str | None = None,
        shared: Document | None = None,
        owner: str | None = None,
        named: bool = False,
    ) -> None:
        self._owner = owner
        self._named = named
        self.rows = database.collection(collection)
        self._due = due
        self._shared = shared or {}
        self._only = {**self._shared, **(only or {})}
        self._removes = removes
        self._undated = undated
        self._free = free
        self.hint = hint

    async def begin(self, name: str, at: datetime, fields: Mapping[str, Any]) -> None:
        """A row of that name, where there is none yet: of work that recurs, and of how far it has come."""
        with suppress(DuplicateKeyError):
            # Another node that starts was faster.
            row = {self._due: at, **fields}
            await self.rows.update_one({"_id": name}, {"$setOnInsert": row}, upsert=True)

    async def claim(self, now: datetime, lasting: timedelta, *, without: Several[Any] = ()) -> WorkRow | None:
        """The row that has been due longest, for the caller alone until ``now + lasting``; ``without`` those of these
        owners."""
        until = now + lasting
        query = self._free_and_due(now)
        if without and self._owner is not None:
            query[self._owner] = {"$nin": list(without)}
        begun = {
            "attempts": {"$add": [{"$ifNull": [f"${WORK}.attempts", 0]}, 1]},
            "since": {"$ifNull": [f"${WORK}.since", f"${self._due}"]},
        }
        found = await self.rows.find_one_and_update(
            query, [{"$set": {WORK: begun, self._due: until}}], sort=[(self._due, ASCENDING)], hint=self.hint
        )
        if found is None:
            return None
        before = found.get(WORK, {})
        return WorkRow(
            found["_id"], found, found[self._due], until, before.get("attempts", 0) + 1, before.get("excused", 0),
            None if self._owner is None else found.get(self._owner),
        )  # fmt: skip

    # --- the end of a claim; each of these does nothing when the row was changed or claimed anew meanwhile ---

    async def reschedule(
        self,
        row: WorkRow,
        at: datetime,
        changes: Mapping[str, Any] | None = None,
        *,
        where: Document | None = None,
    ) -> bool:
        """Its work goes on then, with attempts counted from anew; ``changes``: of fields, which go where the value is
        nothing. ``where``: only while the row is so. Answers whether it was, and the claim still held."""
        update: Document = {"$set": {self._due: at}, "$unset": {WORK: ""}}
        for name, value in (changes or {}).items():
            update["$unset" if value is None else "$set"][name] = "" if value is None else value
        wanted = self._claimed(row) | (where or {})
        return bool((await self.rows.update_one(wanted, update)).matched_count)

    async def complete(self, row: WorkRow) -> None:
        """Its work is done."""
        if self._removes:
            await self.rows.delete_one(self._claimed(row))
        else:
            await self.rows.update_one(self._claimed(row), {"$unset": {self._due: "", WORK: ""}})

    async def retry(self, row: WorkRow, at: datetime, error: str) -> None:
        """It failed; ``error``: of which kind."""
        await self.rows.update_one(self._claimed(row), {"$set": {self._due: at, f"{WORK}.error": error}})

    async def postpone(self, row: WorkRow, at: datetime) -> None:
        """It could not be done now, which is not counted against it."""
        await self.rows.update_one(
            self._claimed(row), {"$set": {self._due: at}, "$inc": {f"{WORK}.excused": 1}}
        )

    async def release(self, row: WorkRow) -> None:
        """As if it had not been claimed."""
        await self.postpone(row, row.due_at)

    async def set_aside(self, row: WorkRow, now: datetime, error: str) -> None:
        """Nobody claims it any more, until it is replayed."""
        await self.rows.update_one(
            self._claimed(row),
            {"$set": {f"{WORK}.error": error, f"{WORK}.deadAt": now}, "$unset": {self._due: ""}},
        )

    # --- maintenance of all rows ---

    async def date_undated(self) -> None:
        """Give an instant to rows of earlier versions, which may still be running beside this one."""
        if self._undated is None:
            return
        at = {"$add": [f"${self._undated.field}", self._undated.after // timedelta(milliseconds=1)]}
        undated = {**self._only, self._due: None, f"{WORK}.deadAt": None, self._undated.field: {"$type": "date"}}
        await self.rows.update_many(undated, [{"$set": {self._due: at}}], hint=self.hint)

    async def backlog(self, now: datetime) -> WorkBacklog:
        due = self._never_begun(now)
        begun: Document = self._begun() | {f"{WORK}.deadAt": None}
        dead = self._dead()
        waiting, begun_rows, dead_rows = [await self._count(rows) for rows in (due, begun, dead)]
        first_due = await self.rows.find_one(due, {self._due: 1}, sort=[(self._due, ASCENDING)], comment=POLL_COMMENT)
        first_begun = await self.rows.find_one(
            begun, {WORK: 1}, sort=[(f"{WORK}.since", ASCENDING)], comment=POLL_COMMENT
        )
        since = [first_due[self._due]] if first_due else []
        since += [first_begun[WORK]["since"]] if first_begun else []
        return WorkBacklog(waiting + begun_rows, min(since, default=None), dead_rows)

    async def _count(self, rows: Document) -> int:
        return await self.rows.count_documents(rows, limit=MAX_COUNTED, comment=POLL_COMMENT)

    async def dead(self, limit: int = 100) -> Sequence[DeadRow]:
        """Rows that were set aside, the oldest first."""
        found = await self.rows.find(self._dead(), {WORK: 1}).sort(f"{WORK}.since", ASCENDING).to_list(limit)
        return [
            DeadRow(row["_id"], row[WORK]["error"], row[WORK]["attempts"], row[WORK]["deadAt"]) for row in found
        ]

    def id_of(self, text: str) -> Any:
        """The id that is written so; raises ``ValueError`` for what can be no row's."""
        if self._named:
            return text
        if not ObjectId.is_valid(text):
            raise ValueError
        return ObjectId(text)

    async def replay(self, row_id: Any, now: datetime) -> bool:
        """Make a row that was set aside due again; false when there is none such."""
        dead: Document = {"$and": [{"_id": row_id}, self._dead()]}
        replayed = await self.rows.update_one(dead, {"$set": {self._due: now}, "$unset": {WORK: ""}})
        return bool(replayed.matched_count)

    async def replay_all(self, set_aside_by: datetime | None, now: datetime) -> int:
        """Make all rows due again that were set aside, by then where that is given; answers how many."""
        dead = self._dead() if set_aside_by is None else {**self._dead(), f"{WORK}.deadAt": {"$lte": set_aside_by}}
        replayed = await self.rows.update_many(dead, {"$set": {self._due: now}, "$unset": {WORK: ""}})
        return int(replayed.modified_count)

    def one_due(self, now: datetime, name: str) -> list[Document]:
        """The stages of an aggregation that gives ``{name}`` when a row could be claimed."""
        return _one(self._free_and_due(now), name)

    def one_counted(self, now: datetime, name: str) -> list[list[Document]]:
        """Those of two aggregations, one of which gives ``{name}`` when there is a backlog."""
        return [_one(self._never_begun(now), name), _one(self._begun(), name)]

    def _free_and_due(self, now: datetime) -> Document:
        query: Document = {**self._only, self._due: {"$lte": now}}
        return query if self._free is None else query | self._free(now)

    def _never_begun(self, now: datetime) -> Document:
        return {**self._only, self._due: {"$lte": now}, f"{WORK}.since": None}

    def _begun(self) -> Document:
        """Set aside or not."""
        return {**self._shared, f"{WORK}.since": {"$exists": True}}

    def _dead(self) -> Document:
        return self._begun() | {f"{WORK}.deadAt": {"$exists": True}}

    def _claimed(self, row: WorkRow) -> Document:
        return {"_id": row.id, self._due: row.until, f"{WORK}.attempts": row.attempts}


def _one(match: Document, name: str) -> list[Document]:
    return [{"$match": match}, {"$limit": 1}, {"$project": {"_id": 0, "name": {"$literal": name}}}]


@repository
class DueRows:
    """Which of several queues, by names of the caller's, have rows: one read for all of them, so that a node at rest
    costs its database one command and not one a queue."""

    def __init__(self, queues: Mapping[str, WorkQueue]) -> None:
        self._queues = queues

    async def names(self, of: Several[str], now: datetime) -> set[str]:
        """Of these those with rows that could be claimed."""
        rows, stages, hint = self.read(of, now)
        return {found["name"] async for found in rows.aggregate(stages, comment=POLL_COMMENT, **hint)}

    async def with_backlog(self, now: datetime) -> set[str]:
        """Those with rows that are due, being worked on or set aside."""
        rows, stages = self.read_backlogs(now)
        return {found["name"] async for found in rows.aggregate(stages, comment=POLL_COMMENT)}

    def read_backlogs(self, now: datetime) -> tuple[Collection, list[Document]]:
        """The collection and stages of the aggregation by which those are found."""
        parts = [(queue.rows, part) for name, queue in self._queues.items() for part in queue.one_counted(now, name)]
        (rows, stages), *others = parts
        return rows, [*stages, *_union(others)]

    def read(self, of: Several[str], now: datetime) -> tuple[Collection, list[Document], dict[str, Any]]:
        """The collection, stages and hint of the aggregation by which ``names`` are found."""
        # A hint is for the collection that an aggregation begins with.
        first, *others = sorted(of, key=lambda name: self._queues[name].hint is None)
        queue = self._queues[first]
        rest = [(self._queues[name].rows, self._queues[name].one_due(now, name)) for name in others]
        hint = {} if queue.hint is None else {"hint": queue.hint}
        return queue.rows, [*queue.one_due(now, first), *_union(rest)], hint


def _union(parts: Iterable[tuple[Collection, list[Document]]]) -> list[Document]:
    return [{"$unionWith": {"coll": rows.name, "pipeline": stages}} for rows, stages in parts]
