"""Appending to the log: group commit over a unique index that is the sequencer (DESIGN.md, "The log").

A node writes head + 1. A duplicate key means that another node was faster: the head is read again and the
entry retried. While one write is in flight what arrives waits, and goes together in the next one: at most one
entry a conversation and batch, at most two batches in flight. A conversation stays out of further batches
until its entry is settled, so entries are committed, and their futures resolved, in the order of ``seq``.
"""

from __future__ import annotations

import asyncio
import random
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from bson import ObjectId
from bson.errors import BSONError
from pymongo.errors import PyMongoError

from domain.errors import unavailable
from domain.messages import MessageRecord
from store.database import Database, Document
from store.failures import is_transient
from store.log.documents import MESSAGES
from store.log.heads import Heads

MAX_BATCH = 256
MAX_IN_FLIGHT = 2
MAX_KNOWN_HEADS = 50_000
BATCH_TIME_LIMIT_MS = 5_000
# A caller is told `unavailable` after this long without a commit; its repeat finds the entry if it was stored.
PATIENCE_SECONDS = 10.0
# Waiting entries of one process; past it new ones are refused rather than piled up.
MAX_WAITING = 20_000


@dataclass(slots=True, eq=False)
class Appended:
    """An entry as stored; ``fresh`` is false when an earlier one with its ``clientMessageId`` was found.

    ``target`` is what a change entry made of its message.
    """

    document: Document
    fresh: bool
    target: MessageRecord | None = None


@dataclass(slots=True, eq=False)
class _Pending:
    document: Document
    future: asyncio.Future[Appended]
    deadline: float
    announce: Callable[[Appended], None]


@dataclass(slots=True, eq=False)
class _Lane:
    """One conversation: its head as far as known, and what waits to be appended, oldest first."""

    id: ObjectId
    head: int | None = None
    busy: bool = False
    losses: int = 0
    waiting: deque[_Pending] = field(default_factory=deque)


@dataclass(slots=True)
class AppendCounters:
    appended: int = 0
    batches: int = 0
    repeats: int = 0
    lost_races: int = 0
    unknown_outcomes: int = 0


class Appender:
    """``settle`` applies a stored change entry to its target, before it is acknowledged; ``committed`` hears
    of every new entry, in the order of each conversation's ``seq``."""

    def __init__(
        self,
        database: Database,
        settle: Callable[[Document], Awaitable[MessageRecord]],
        committed: Callable[[Document], None],
    ) -> None:
        self._db = database.db
        self._messages = database.collection(MESSAGES)
        self._heads = Heads(database)
        self._settle = settle
        self._committed = committed
        self._lanes: OrderedDict[ObjectId, _Lane] = OrderedDict()
        self._ready: deque[_Lane] = deque()
        self._headless: set[_Lane] = set()
        self._in_flight = 0
        self._learning = False
        self._scheduled = False
        self._waiting = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.get_running_loop()
        self.counters = AppendCounters()

    def append(self, document: Document, announce: Callable[[Appended], None]) -> asyncio.Future[Appended]:
        """Submit an entry without its ``seq``; submissions of one conversation are stored in this order.

        ``announce`` is called for a fresh entry when it is committed, before the future is resolved and before
        a later entry of the conversation is: whoever announces so announces in the order of ``seq``. The
        future raises ``unavailable`` when the outcome is still unknown after ``PATIENCE_SECONDS``.
        """
        future: asyncio.Future[Appended] = self._loop.create_future()
        if self._waiting >= MAX_WAITING:
            future.set_exception(unavailable("Too many messages are waiting to be stored."))
            return future
        self._waiting += 1
        lane = self._lane(document["conversationId"])
        lane.waiting.append(_Pending(document, future, self._loop.time() + PATIENCE_SECONDS, announce))
        if not lane.busy:
            self._next(lane)
        return future

    def known_head(self, conversation_id: ObjectId) -> int:
        """The head as far as this process knows it: a lower bound."""
        lane = self._lanes.get(conversation_id)
        return (lane.head or 0) if lane else 0

    @property
    def waiting(self) -> int:
        return self._waiting

    async def drain(self) -> None:
        """Return when nothing waits any more."""
        while self._waiting:
            lanes = [lane for lane in self._lanes.values() if lane.waiting]
            await asyncio.wait([lane.waiting[-1].future for lane in lanes])
            await asyncio.sleep(0)

    def _lane(self, conversation_id: ObjectId) -> _Lane:
        lane = self._lanes.get(conversation_id)
        if lane is None:
            lane = self._lanes[conversation_id] = _Lane(conversation_id)
            if len(self._lanes) > MAX_KNOWN_HEADS:
                self._forget_oldest()
        else:
            self._lanes.move_to_end(conversation_id)
        return lane

    def _forget_oldest(self) -> None:
        for conversation_id, lane in self._lanes.items():
            if not lane.busy:
                del self._lanes[conversation_id]
                return

    def _next(self, lane: _Lane) -> None:
        """Put the lane where its oldest entry belongs."""
        lane.busy = bool(lane.waiting)
        if not lane.busy:
            return
        if lane.head is None:
            self._headless.add(lane)
            if not self._learning:
                self._learning = True
                self._spawn(self._learn())
        else:
            self._ready.append(lane)
            if not self._scheduled:
                # Once an iteration of the loop: what arrived together is written together.
                self._scheduled = True
                self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._scheduled = False
        while self._ready and self._in_flight < MAX_IN_FLIGHT:
            size = min(len(self._ready), MAX_BATCH)
            batch = [self._ready.popleft() for _ in range(size)]
            self._in_flight += 1
            self._spawn(self._write(batch))

    async def _write(self, batch: list[_Lane]) -> None:
        documents = []
        for lane in batch:
            assert lane.head is not None
            document = lane.waiting[0].document
            document["seq"] = lane.head + 1
            documents.append(document)
        try:
            reply = await self._insert(documents)
        except PyMongoError as error:
            if is_transient(error):
                self._outcome_unknown(batch)
            else:
                self._refused(batch, error)
        except (BSONError, ValueError, OverflowError) as error:
            # One entry that cannot be encoded must not take the others with it.
            self._refused(batch, error)
        else:
            self._take(batch, reply)
        finally:
            self._in_flight -= 1
            self._flush()

    async def _insert(self, documents: list[Document]) -> Document:
        """One unordered insert, as a plain command: cheaper than ``insert_many``, and it takes a time limit."""
        reply: Document = await self._db.command(
            {
                "insert": MESSAGES,
                "documents": documents,
                "ordered": False,
                "writeConcern": {"w": "majority", "j": True},
                "maxTimeMS": BATCH_TIME_LIMIT_MS,
            }
        )
        self.counters.batches += 1
        return reply

    def _take(self, batch: list[_Lane], reply: Document) -> None:
        if "writeConcernError" in reply:
            # Stored on this server, but perhaps not by a majority: ask again rather than promise.
            self._outcome_unknown(batch)
            return
        errors = {error["index"]: error for error in reply.get("writeErrors", ())}
        lost: list[_Lane] = []
        for index, lane in enumerate(batch):
            error = errors.get(index)
            if error is None:
                self._stored(lane)
            elif error["code"] == 11000 and "seq" in error["keyPattern"]:
                lost.append(lane)
            elif error["code"] == 11000:
                self._spawn(self._answer_repeat(lane))
            else:
                self._retry(lane)
        if lost:
            self.counters.lost_races += len(lost)
            self._spawn(self._catch_up(lost, reply))

    def _stored(self, lane: _Lane) -> None:
        document = lane.waiting[0].document
        lane.head, lane.losses = document["seq"], 0
        self.counters.appended += 1
        if "change" in document:
            self._spawn(self._settle_change(lane, document))
        else:
            self._done(lane, Appended(document, True))

    async def _settle_change(self, lane: _Lane, document: Document) -> None:
        """The conversation waits for the change to reach its target, so that it is announced in order."""
        pending = lane.waiting[0]
        while True:
            try:
                target = await self._settle(document)
            except PyMongoError as error:
                if not is_transient(error):
                    self._fail(lane, error)
                    return
                if self._loop.time() > pending.deadline:
                    self._fail(lane, unavailable())
                    return
                await asyncio.sleep(0.1)
            else:
                self._done(lane, Appended(document, True, target))
                return

    async def _answer_repeat(self, lane: _Lane) -> None:
        """The entry, or an earlier one under its ``clientMessageId``, is there already."""
        pending = lane.waiting[0]
        mine = pending.document
        key = {k: mine[k] for k in ("conversationId", "senderId", "clientMessageId") if k in mine}
        lane.head = None
        try:
            found = await self._messages.find_one({"_id": mine["_id"]})
            if found is None and "clientMessageId" in mine:
                found = await self._messages.find_one(key)
        except PyMongoError as error:
            if is_transient(error):
                self._retry(lane)
            else:
                self._fail(lane, error)
            return
        if found is None:
            # Another node's, not yet committed by a majority.
            self._retry(lane)
        elif found["_id"] != mine["_id"]:
            self.counters.repeats += 1
            self._done(lane, Appended(found, False))
        elif "change" in mine:
            await self._settle_change(lane, found)
        else:
            self._done(lane, Appended(found, True))

    async def _catch_up(self, lanes: list[_Lane], reply: Document) -> None:
        """Learn what the faster node wrote, and try again."""
        try:
            heads = await self._heads.after(reply, [lane.id for lane in lanes])
        except PyMongoError:
            heads = {}
        for lane in lanes:
            lane.losses += 1
            lane.head = heads.get(lane.id)
            self._again(lane)

    def _outcome_unknown(self, batch: list[_Lane]) -> None:
        self.counters.unknown_outcomes += len(batch)
        for lane in batch:
            lane.head = None
            self._retry(lane)

    def _retry(self, lane: _Lane) -> None:
        """After a pause, from the head as it then is; the entry's ``_id`` and key keep it single."""
        lane.losses += 1
        lane.head = None
        pause = min(0.005 * 2 ** min(lane.losses, 7), 0.5) * random.uniform(0.5, 1.5)
        self._loop.call_later(pause, self._again, lane)

    def _again(self, lane: _Lane) -> None:
        now = self._loop.time()
        while lane.waiting and lane.waiting[0].deadline < now:
            self._pop(lane, unavailable())
        self._next(lane)

    def _refused(self, batch: list[_Lane], error: Exception) -> None:
        if len(batch) == 1:
            self._fail(batch[0], error)
            return
        for lane in batch:
            self._in_flight += 1
            self._spawn(self._write([lane]))

    async def _learn(self) -> None:
        """Read the heads of all conversations that need one, together, until none does."""
        try:
            while self._headless:
                lanes = [self._headless.pop() for _ in range(min(len(self._headless), 1000))]
                await self._learn_some(lanes)
        finally:
            self._learning = False

    async def _learn_some(self, lanes: list[_Lane]) -> None:
        try:
            heads = await self._heads.of([lane.id for lane in lanes])
        except PyMongoError:
            for lane in lanes:
                self._retry(lane)
            return
        for lane in lanes:
            lane.head = heads.get(lane.id, 0)
            self._again(lane)

    def _done(self, lane: _Lane, appended: Appended) -> None:
        pending = lane.waiting.popleft()
        self._waiting -= 1
        if appended.fresh:
            self._committed(appended.document)
            pending.announce(appended)
        if not pending.future.done():
            pending.future.set_result(appended)
        self._next(lane)

    def _fail(self, lane: _Lane, error: Exception) -> None:
        lane.head = None
        self._pop(lane, error)
        self._next(lane)

    def _pop(self, lane: _Lane, error: Exception) -> None:
        pending = lane.waiting.popleft()
        self._waiting -= 1
        if not pending.future.done():
            pending.future.set_exception(error)
            # A caller that left must not make the loop complain about an error nobody read.
            pending.future.exception()

    def _spawn(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
