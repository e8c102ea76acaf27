"""Appending to the log: group commit over a unique index that is the sequencer (``docs/architecture.md``, "The log").

A node writes head + 1. A duplicate key means that another node was faster: the head is read again and the
entry retried. While one write is in flight what arrives waits, and goes together in the next one: at most one
entry a conversation and batch, at most two batches in flight. A conversation stays out of further batches
until its entry is settled, so entries are committed, and published, in the order of ``seq``.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from functools import partial
from time import monotonic
from typing import Any, TypeVar

import structlog
from bson import ObjectId
from pymongo.errors import PyMongoError

from domain.errors import unavailable
from domain.messages import MessageRecord
from store.backoff import ExponentialBackoff
from store.command_budget import BUDGET_SECONDS, Budget, deadline, limited, shared_work, within
from store.concurrency import Tasks
from store.database import Database, Document
from store.failures import DUPLICATE_KEY, NOT_NOW, is_transient, repeat_unanswered
from store.log.conversation_queue import Appended, ConversationQueue, OnCommitted, PendingEntry
from store.log.documents import MESSAGES
from store.log.fairness import Fairness
from store.log.heads import Deduplication, Heads

log = structlog.get_logger("log")

T = TypeVar("T")

# Of a batch, and of what else is read and written for many: by another connection its entries are still in time. Longer
# where MongoDB is slow: as several of the slowest lately, those not answered among them.
BATCH_SECONDS = 2.0
LONGEST_BATCH_SECONDS = 5.0
_OF_THE_SLOWEST = 4
MAX_BATCH = 256
MAX_IN_FLIGHT = 2
# A submitter is answered `unavailable` after this long without a commit, or when its command's budget runs out; a
# repeat finds the entry if it was stored.
TIMEOUT_SECONDS = BUDGET_SECONDS
# How often the deadlines of waiting entries are looked at: one timer for all of them.
DEADLINE_TICK_SECONDS = 0.25
# Waiting entries of one process; past it new ones are refused rather than piled up.
MAX_WAITING = 20_000
MAX_KNOWN_HEADS = 50_000
MAX_HEADS_A_READ = 1000
_BACKOFF = ExponentialBackoff(first=0.01, longest=0.5, jitter=(0.5, 1.5))


@dataclass(slots=True)
class AppendCounters:
    appended: int = 0
    batches: int = 0
    repeats: int = 0
    lost_races: int = 0
    unknown_outcomes: int = 0


class Appender:
    """``apply`` folds a stored change entry to its target, before it is acknowledged; ``committed`` is called
    with every new entry, in the order of each conversation's ``seq``; ``begin`` shows a conversation to both sides,
    before its first entry is published."""

    def __init__(
        self,
        database: Database,
        apply: Callable[[Document], Awaitable[MessageRecord]],
        committed: Callable[[Document], None],
        begin: Callable[[Document], Awaitable[None]],
    ) -> None:
        self._db = database.db
        self._heads = Heads(database)
        self._deduplication = Deduplication(database)
        self._apply = apply
        self._begin = begin
        self._committed = committed
        self._fairness = Fairness()
        # Every conversation with something waiting, which a BoundedMap might forget, and the heads of those used last.
        self._queues: OrderedDict[ObjectId, ConversationQueue] = OrderedDict()
        self._ready: deque[ConversationQueue] = deque()
        # Those whose batch was refused as a whole: each is written alone.
        self._apart: deque[ConversationQueue] = deque()
        self._headless: set[ConversationQueue] = set()
        self._busy: set[ConversationQueue] = set()
        self._waiting = 0
        self._in_flight = self._alone_in_flight = 0
        self._learning = False
        self._watching_deadlines = False
        self._flush_scheduled = False
        self._tasks = Tasks()
        self._loop = asyncio.get_running_loop()
        # What is written for many must not end with the time of the one who happened to begin it.
        self._context = shared_work(LONGEST_BATCH_SECONDS)
        self._slowest = 0.0
        self.counters = AppendCounters()

    def append(self, document: Document, on_committed: OnCommitted) -> asyncio.Future[Appended]:
        """Submit an entry without its ``seq``; submissions of one conversation are stored in this order.

        ``on_committed`` is called for a fresh entry when it is committed, before the future is resolved and before
        a later entry of the conversation is: whoever publishes there publishes in the order of ``seq``. The
        future raises ``unavailable`` after ``TIMEOUT_SECONDS``, or when the command's budget has run out, whoever
        waits before it: the entry is then not stored, or its outcome is not known yet.
        """
        future: asyncio.Future[Appended] = self._loop.create_future()
        now = monotonic()
        until = deadline(now, TIMEOUT_SECONDS)
        if until <= now:
            future.set_exception(unavailable())
            return future
        if self._waiting >= MAX_WAITING:
            future.set_exception(unavailable("Too many messages are waiting to be stored."))
            return future
        queue = self._queue_of(document["conversationId"])
        queue.waiting.append(PendingEntry(document, future, until, on_committed))
        self._waiting += 1
        if not queue.busy:
            queue.busy = True
            self._busy.add(queue)
            if not self._watching_deadlines:
                self._watching_deadlines = True
                self._loop.call_later(DEADLINE_TICK_SECONDS, self._expire_overdue, context=self._context)
            self._next(queue)
        return future

    def known_head(self, conversation_id: ObjectId) -> int:
        """The head as last seen by this process: a lower bound."""
        queue = self._queues.get(conversation_id)
        return (queue.head or 0) if queue else 0

    def received(self, conversation_id: ObjectId, seq: int) -> None:
        """Another node published that a majority has committed this entry: go on from there, now if it was awaited."""
        queue = self._queues.get(conversation_id)
        if queue is None or queue.head is None or queue.head >= seq:
            return
        queue.head = seq
        self._fairness.received(queue.contention, self._loop.time())
        if queue.pause is not None:
            queue.pause.cancel()
            queue.pause = None
            self._ready_after(self._fairness.pause_after_exchange(queue.contention), queue)
        elif queue.lost_seq:
            queue.lost_seq = 0
            self._next(queue)

    @property
    def waiting(self) -> int:
        return self._waiting

    async def drain(self) -> None:
        """Return when nothing waits any more."""
        while self._waiting:
            newest = (queue.waiting[-1].future for queue in self._busy)
            pending = [future for future in newest if not future.done()]
            if pending:
                await asyncio.wait(pending)
            # Of those left whose submitters were answered, or have gone, nothing shows when they are done.
            await asyncio.sleep(0 if pending else 0.005)

    async def stop(self) -> None:
        """Carry nothing on any more: the database is about to be closed."""
        await self._tasks.stop()

    # --- what waits ---

    def _queue_of(self, conversation_id: ObjectId) -> ConversationQueue:
        queue = self._queues.get(conversation_id)
        if queue is None:
            queue = self._queues[conversation_id] = ConversationQueue(conversation_id)
            if len(self._queues) > MAX_KNOWN_HEADS:
                self._forget_oldest_head()
        else:
            self._queues.move_to_end(conversation_id)
        return queue

    def _forget_oldest_head(self) -> None:
        for conversation_id, queue in self._queues.items():
            if not queue.busy and not queue.waiting:
                del self._queues[conversation_id]
                return

    def _remove_oldest(self, queue: ConversationQueue) -> PendingEntry:
        self._waiting -= 1
        queue.losses = 0
        return queue.waiting.popleft()

    def _has_work(self, queue: ConversationQueue) -> bool:
        """Take out what need not be written any more; whether there is something left that has to."""
        waiting = queue.waiting
        while waiting and waiting[0].expired and not waiting[0].doubtful:
            self._remove_oldest(queue)
        if waiting:
            return True
        queue.busy = False
        self._busy.discard(queue)
        return False

    def _expire_overdue(self) -> None:
        """Once a tick for all that wait, so that an entry that is written in time costs nothing here."""
        now = monotonic()
        for queue in self._busy:
            for pending in [each for each in queue.waiting if each.deadline <= now and not each.expired]:
                pending.expired = True
                pending.fail(unavailable())
                # The oldest may be being written: it leaves when the queue is looked at next.
                if queue.waiting[0] is not pending:
                    queue.waiting.remove(pending)
                    self._waiting -= 1
        self._watching_deadlines = bool(self._busy)
        if self._busy:
            self._loop.call_later(DEADLINE_TICK_SECONDS, self._expire_overdue, context=self._context)

    # --- which entries are written next: one a conversation, many conversations together ---

    def _next(self, queue: ConversationQueue) -> None:
        """Schedule the oldest entry that somebody waits for, or that may be stored."""
        if not self._has_work(queue):
            return
        if queue.head is None:
            self._headless.add(queue)
            if not self._learning:
                self._learning = True
                self._spawn(self._learn_heads())
        else:
            self._ready_after(self._fairness.pause_before(queue.contention, self._loop.time()), queue)

    def _ready_after(self, pause: float, queue: ConversationQueue) -> None:
        if pause:
            queue.pause = self._loop.call_later(pause, self._make_ready, queue, context=self._context)
        else:
            self._make_ready(queue)

    def _make_ready(self, queue: ConversationQueue) -> None:
        queue.pause = None
        self._ready.append(queue)
        if not self._flush_scheduled:
            # Once an iteration of the loop: what arrived together is written together.
            self._flush_scheduled = True
            self._loop.call_soon(self._flush, context=self._context)

    def _flush(self) -> None:
        self._flush_scheduled = False
        while (self._apart or self._ready) and self._in_flight < MAX_IN_FLIGHT:
            # While there are batches as well, one of the two places at most is theirs.
            alone = bool(self._apart) and not (self._ready and self._alone_in_flight)
            batch = self._take(self._apart, 1) if alone else self._take(self._ready, MAX_BATCH)
            if batch:
                self._in_flight += 1
                self._alone_in_flight += alone
                self._spawn(self._write(batch, alone=alone))

    def _take(self, queues: deque[ConversationQueue], most: int) -> list[ConversationQueue]:
        taken: list[ConversationQueue] = []
        while queues and len(taken) < most:
            queue = queues.popleft()
            # A deadline may have passed since.
            if not queue.waiting[0].expired or self._has_work(queue):
                taken.append(queue)
        return taken

    def _retry(self, queues: list[ConversationQueue]) -> None:
        """After a pause, from the head as it then is; the entry's ``_id`` and key keep it single."""
        for queue in queues:
            queue.losses += 1
            queue.head = None
            self._loop.call_later(_BACKOFF.pause(queue.losses), self._next, queue, context=self._context)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        self._tasks.spawn(work, self._context.copy())

    async def _learn_heads(self) -> None:
        """Read the heads of all conversations that need one, together, until none does."""
        try:
            while self._headless:
                size = min(len(self._headless), MAX_HEADS_A_READ)
                queues = [self._headless.pop() for _ in range(size)]
                try:
                    heads = await _read(partial(self._heads.of, [queue.id for queue in queues]))
                except Exception as error:
                    # Of whatever kind: nobody else schedules these again. Their entries' deadlines end it.
                    _note(error)
                    self._retry(queues)
                else:
                    for queue in queues:
                        queue.head = heads.get(queue.id, 0)
                        self._next(queue)
        finally:
            self._learning = False

    # --- writing ---

    async def _write(self, batch: list[ConversationQueue], *, alone: bool) -> None:
        try:
            try:
                reply = await self._insert([_numbered(queue) for queue in batch])
            except Exception as error:
                self._not_written(batch, error)
            else:
                self._written(batch, reply)
        finally:
            self._in_flight -= 1
            self._alone_in_flight -= alone
            self._flush()

    async def _insert(self, documents: list[Document]) -> Document:
        """One unordered insert, as a plain command: cheaper than ``insert_many``."""
        self.counters.batches += 1
        started = self._loop.time()
        command = {
            "insert": MESSAGES, "documents": documents, "ordered": False, "writeConcern": {"w": "majority", "j": True},
        }  # fmt: skip
        try:
            with limited(min(max(BATCH_SECONDS, _OF_THE_SLOWEST * self._slowest), LONGEST_BATCH_SECONDS)):
                reply: Document = await self._db.command(command)
        finally:
            took = self._loop.time() - started
            self._slowest = max(took, 0.9 * self._slowest)
        self._fairness.batch_written(took)
        return reply

    def _written(self, batch: list[ConversationQueue], reply: Document) -> None:
        if "writeConcernError" in reply:
            # Stored on this server, but perhaps not by a majority: look again rather than promise.
            self._outcome_unknown(batch)
            return
        errors = {error["index"]: error for error in reply.get("writeErrors", ())}
        lost: dict[ConversationQueue, int] = {}
        for index, queue in enumerate(batch):
            error = errors.get(index)
            if error is None:
                self._stored(queue)
            elif error["code"] != DUPLICATE_KEY:
                # The server has said no, and will again: nobody waits for ever.
                queue.waiting[0].doubtful &= error["code"] in NOT_NOW
                self._retry([queue])
            elif "seq" in error.get("keyPattern", ()):
                queue.losses += 1
                if queue.head is not None and queue.head >= queue.waiting[0].document["seq"]:
                    # The faster node's entry was received already.
                    self._next(queue)
                else:
                    lost[queue] = queue.lost_seq = queue.waiting[0].document["seq"]
                self.counters.lost_races += 1
            else:
                self._spawn(self._answer_repeat(queue))
        if lost:
            self._spawn(self._catch_up(lost, reply))

    def _not_written(self, batch: list[ConversationQueue], error: Exception) -> None:
        if isinstance(error, PyMongoError) and is_transient(error):
            self._outcome_unknown(batch)
        elif len(batch) == 1:
            batch[0].head = None
            self._fail(batch[0], error)
        else:
            # One entry that cannot be encoded must not take the others with it.
            self._apart.extend(batch)

    def _outcome_unknown(self, batch: list[ConversationQueue]) -> None:
        self.counters.unknown_outcomes += len(batch)
        for queue in batch:
            queue.waiting[0].doubtful = True
        self._retry(batch)

    def _stored(self, queue: ConversationQueue) -> None:
        document = queue.waiting[0].document
        # Another node's next entry may have been received meanwhile.
        queue.head = max(queue.head or 0, document["seq"])
        self._fairness.written(queue.contention, self._loop.time())
        self.counters.appended += 1
        if "change" in document:
            self._spawn(self._apply_change(queue, document))
        elif document["seq"] == 1:
            self._spawn(self._begin_conversation(queue, document))
        else:
            self._succeed(queue, Appended(document, True))

    def _succeed(self, queue: ConversationQueue, appended: Appended) -> None:
        """Take the oldest entry out: it is stored. Its callback comes first, its future after."""
        pending = self._remove_oldest(queue)
        try:
            if appended.fresh:
                try:
                    self._committed(appended.document)
                finally:
                    # What is stored is published, whatever is wrong with the projection.
                    pending.on_committed(appended)
        except Exception as error:
            # The queue must go on, whatever is wrong with one callback.
            pending.fail(error)
        else:
            if not pending.future.done():
                pending.future.set_result(appended)
        self._next(queue)

    def _fail(self, queue: ConversationQueue, error: Exception) -> None:
        """Take the oldest entry out, telling its submitter why."""
        self._remove_oldest(queue).fail(error)
        self._next(queue)

    # --- what did not go straight through ---

    async def _apply_change(self, queue: ConversationQueue, document: Document, *, fresh: bool = True) -> None:
        """The conversation waits for the change to reach its target, so that it is published in order.

        Also when its submitter has been answered: it is stored, and where the answer to the last step was lost nothing
        shows any more that it was not published.
        """
        while True:
            try:
                target = await self._apply(document)
            except Exception as error:
                if not (isinstance(error, PyMongoError) and is_transient(error)):
                    self._fail(queue, error)
                elif queue.waiting[0].expired and not fresh:
                    self._fail(queue, unavailable())
                else:
                    await asyncio.sleep(0.1)
                    continue
            else:
                self.counters.repeats += not fresh
                self._succeed(queue, Appended(document, fresh, target))
            return

    async def _begin_conversation(self, queue: ConversationQueue, document: Document) -> None:
        """The conversation waits until both sides see it. Should the database not take that now, it follows behind."""
        while not queue.waiting[0].expired:
            try:
                await self._begin(document)
            except Exception as error:
                if isinstance(error, PyMongoError) and is_transient(error):
                    await asyncio.sleep(0.1)
                    continue
                _note(error)
            break
        self._succeed(queue, Appended(document, True))

    async def _answer_repeat(self, queue: ConversationQueue) -> None:
        """The entry, or an earlier one under its ``clientMessageId``, is there already."""
        mine = queue.waiting[0].document
        queue.head = None
        try:
            found = await _read(partial(self._deduplication.first_of, mine))
        except Exception as error:
            _note(error)
            found = None
        if found is None:
            # Not known yet, or another node's that no majority has committed yet.
            self._retry([queue])
        elif "change" in found:
            # Another's change may not be applied yet; that may be done by anybody, any number of times.
            await self._apply_change(queue, found, fresh=found["_id"] == mine["_id"])
        elif found["_id"] != mine["_id"]:
            self.counters.repeats += 1
            self._succeed(queue, Appended(found, False))
        elif found["seq"] == 1:
            await self._begin_conversation(queue, found)
        else:
            self._succeed(queue, Appended(found, True))

    async def _catch_up(self, lost: dict[ConversationQueue, int], reply: Document) -> None:
        """Read what the faster node wrote, and try again, unless that was received meanwhile.

        A queue that went on so may have lost a later ``seq`` since, which another call of this finds out.
        """
        try:
            heads = await _read(partial(self._heads.after, reply, [queue.id for queue in lost]))
        except Exception as error:
            _note(error)
            heads = {}
        for queue, seq in lost.items():
            if queue.lost_seq == seq:
                queue.lost_seq = 0
                queue.head = heads.get(queue.id)
                self._next(queue)


def _note(error: Exception) -> None:
    """What is not the driver's is a fault of ours, and its entries are answered all the same."""
    if not isinstance(error, PyMongoError):
        log.error("appending met an unforeseen error", error=type(error).__name__)


async def _read(read: Callable[[], Awaitable[T]]) -> T:
    """Within the time that an entry has."""
    with within(Budget(seconds=TIMEOUT_SECONDS)):
        return await repeat_unanswered(read, BATCH_SECONDS)


def _numbered(queue: ConversationQueue) -> Document:
    assert queue.head is not None
    document = queue.waiting[0].document
    document["seq"] = queue.head + 1
    return document
