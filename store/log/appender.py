"""Appending to the log: group commit over a unique index that is the sequencer (DESIGN.md, "The log").

A node writes head + 1. A duplicate key means that another node was faster: the head is read again and the
entry retried. While one write is in flight what arrives waits, and goes together in the next one: at most one
entry a conversation and batch, at most two batches in flight. A conversation stays out of further batches
until its entry is settled, so entries are committed, and announced, in the order of ``seq``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from bson import ObjectId
from pymongo.errors import PyMongoError

from domain.errors import unavailable
from domain.messages import MessageRecord
from store.command_budget import BUDGET_SECONDS, remaining
from store.database import Database, Document
from store.failures import NOT_NOW, is_transient
from store.log.documents import MESSAGES
from store.log.fairness import Fairness
from store.log.heads import Deduplication, Heads
from store.log.queues import Announce, Appended, ConversationQueue, ConversationQueues, Pending
from store.log.scheduler import BatchScheduler

BATCH_TIME_LIMIT_MS = 5_000
# A submitter is told `unavailable` after this long without a commit, or when its command's budget runs out; a repeat
# finds the entry if it was stored.
PATIENCE_SECONDS = BUDGET_SECONDS
# Waiting entries of one process; past it new ones are refused rather than piled up.
MAX_WAITING = 20_000
_DUPLICATE_KEY = 11000


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
        self._heads = Heads(database)
        self._repeats = Deduplication(database)
        self._settle = settle
        self._committed = committed
        self._lanes = ConversationQueues()
        self._courtesy = Fairness()
        self._turns = BatchScheduler(self._lanes, self._heads, self._courtesy, self._write)
        self._loop = asyncio.get_running_loop()
        self.counters = AppendCounters()

    def append(self, document: Document, announce: Announce) -> asyncio.Future[Appended]:
        """Submit an entry without its ``seq``; submissions of one conversation are stored in this order.

        ``announce`` is called for a fresh entry when it is committed, before the future is resolved and before
        a later entry of the conversation is: whoever announces so announces in the order of ``seq``. The
        future raises ``unavailable`` after ``PATIENCE_SECONDS``, or when the command's budget has run out, whoever
        waits before it: the entry is then not stored, or its outcome is not known yet.
        """
        future: asyncio.Future[Appended] = self._loop.create_future()
        patience = min(PATIENCE_SECONDS, remaining())
        if patience <= 0:
            future.set_exception(unavailable())
            return future
        if self._lanes.waiting >= MAX_WAITING:
            future.set_exception(unavailable("Too many messages are waiting to be stored."))
            return future
        lane = self._lanes.add(Pending(document, future, self._loop.time() + patience, announce))
        if not lane.busy:
            self._turns.next(lane)
        return future

    def known_head(self, conversation_id: ObjectId) -> int:
        """The head as far as this process knows it: a lower bound."""
        return self._lanes.known_head(conversation_id)

    def heard(self, conversation_id: ObjectId, seq: int) -> None:
        """Another node says that a majority has committed this entry."""
        lane = self._lanes.get(conversation_id)
        if lane is not None and lane.head is not None and lane.head < seq:
            self._turns.heard(lane, seq)

    @property
    def waiting(self) -> int:
        return self._lanes.waiting

    async def drain(self) -> None:
        """Return when nothing waits any more."""
        while self._lanes.waiting:
            if pending := self._lanes.pending():
                await asyncio.wait(pending)
            # Of those left whose submitters were told, or have gone, nothing says when they are done.
            await asyncio.sleep(0 if pending else 0.005)

    # --- writing ---

    async def _write(self, batch: list[ConversationQueue]) -> None:
        try:
            reply = await self._insert([_numbered(lane) for lane in batch])
        except Exception as error:
            self._not_written(batch, error)
        else:
            self._take(batch, reply)

    async def _insert(self, documents: list[Document]) -> Document:
        """One unordered insert, as a plain command: cheaper than ``insert_many``, and it takes a time limit."""
        self.counters.batches += 1
        started = self._loop.time()
        reply: Document = await self._db.command(
            {
                "insert": MESSAGES,
                "documents": documents,
                "ordered": False,
                "writeConcern": {"w": "majority", "j": True},
                "maxTimeMS": BATCH_TIME_LIMIT_MS,
            }
        )
        self._courtesy.took(self._loop.time() - started)
        return reply

    def _take(self, batch: list[ConversationQueue], reply: Document) -> None:
        if "writeConcernError" in reply:
            # Stored on this server, but perhaps not by a majority: look again rather than promise.
            self._outcome_unknown(batch)
            return
        errors = {error["index"]: error for error in reply.get("writeErrors", ())}
        lost: dict[ConversationQueue, int] = {}
        for index, lane in enumerate(batch):
            error = errors.get(index)
            if error is None:
                self._stored(lane)
            elif error["code"] != _DUPLICATE_KEY:
                # The server has said no, and will again: nobody waits for ever.
                lane.waiting[0].doubtful &= error["code"] in NOT_NOW
                self._turns.retry([lane])
            elif "seq" in error["keyPattern"]:
                lane.losses += 1
                if lane.head is not None and lane.head >= lane.waiting[0].document["seq"]:
                    # Who was faster was heard already.
                    self._turns.next(lane)
                else:
                    lost[lane] = lane.behind = lane.waiting[0].document["seq"]
                self.counters.lost_races += 1
            else:
                self._turns.spawn(self._answer_repeat(lane))
        if lost:
            self._turns.spawn(self._catch_up(lost, reply))

    def _not_written(self, batch: list[ConversationQueue], error: Exception) -> None:
        if isinstance(error, PyMongoError) and is_transient(error):
            self._outcome_unknown(batch)
        elif len(batch) == 1:
            batch[0].head = None
            self._lanes.fail(batch[0], error)
            self._turns.next(batch[0])
        else:
            # One entry that cannot be encoded must not take the others with it.
            for lane in batch:
                self._turns.start([lane])

    def _stored(self, lane: ConversationQueue) -> None:
        document = lane.waiting[0].document
        # It may have been heard meanwhile that another node has written the next one already.
        lane.head = max(lane.head or 0, document["seq"])
        self._courtesy.wrote(lane, self._loop.time())
        self.counters.appended += 1
        if "change" in document:
            self._turns.spawn(self._settle_change(lane, document))
        else:
            self._done(lane, Appended(document, True))

    def _done(self, lane: ConversationQueue, appended: Appended) -> None:
        self._lanes.succeed(lane, appended, self._committed)
        self._turns.next(lane)

    # --- what did not go straight through ---

    async def _settle_change(self, lane: ConversationQueue, document: Document, *, fresh: bool = True) -> None:
        """The conversation waits for the change to reach its target, so that it is announced in order."""
        while True:
            try:
                target = await self._settle(document)
            except Exception as error:
                if not (isinstance(error, PyMongoError) and is_transient(error)):
                    self._lanes.fail(lane, error)
                elif lane.waiting[0].told:
                    self._lanes.fail(lane, unavailable())
                else:
                    await asyncio.sleep(0.1)
                    continue
                self._turns.next(lane)
            else:
                self.counters.repeats += not fresh
                self._done(lane, Appended(document, fresh, target))
            return

    async def _answer_repeat(self, lane: ConversationQueue) -> None:
        """The entry, or an earlier one under its ``clientMessageId``, is there already."""
        mine = lane.waiting[0].document
        lane.head = None
        try:
            found = await self._repeats.first_of(mine)
        except PyMongoError:
            found = None
        if found is None:
            # Not known yet, or another node's that no majority has committed yet.
            self._turns.retry([lane])
        elif "change" in found:
            # Another's change may not be applied yet; that may be done by anybody, any number of times.
            await self._settle_change(lane, found, fresh=found["_id"] == mine["_id"])
        elif found["_id"] != mine["_id"]:
            self.counters.repeats += 1
            self._done(lane, Appended(found, False))
        else:
            self._done(lane, Appended(found, True))

    async def _catch_up(self, lost: dict[ConversationQueue, int], reply: Document) -> None:
        """Learn what the faster node wrote, and try again, unless it was heard of meanwhile.

        Whoever heard of it may have lost a later ``seq`` since, which is another's to find out.
        """
        try:
            heads = await self._heads.after(reply, [lane.id for lane in lost])
        except PyMongoError:
            heads = {}
        for lane, seq in lost.items():
            if lane.behind == seq:
                lane.behind = 0
                lane.head = heads.get(lane.id)
                self._turns.next(lane)

    def _outcome_unknown(self, batch: list[ConversationQueue]) -> None:
        self.counters.unknown_outcomes += len(batch)
        for lane in batch:
            lane.waiting[0].doubtful = True
        self._turns.retry(batch)


def _numbered(lane: ConversationQueue) -> Document:
    assert lane.head is not None
    document = lane.waiting[0].document
    document["seq"] = lane.head + 1
    return document
