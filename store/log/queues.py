"""What waits to be appended, a lane a conversation."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field

from bson import ObjectId

from domain.errors import unavailable
from domain.messages import MessageRecord
from store.database import Document
from store.log.expiry import Expiry

MAX_KNOWN_HEADS = 50_000


@dataclass(slots=True, eq=False)
class Appended:
    """An entry as stored; ``fresh`` is false when an earlier one with its ``clientMessageId`` was found.

    ``target`` is what a change entry made of its message.
    """

    document: Document
    fresh: bool
    target: MessageRecord | None = None


Announce = Callable[[Appended], None]


@dataclass(slots=True, eq=False)
class Pending:
    """An entry on its way; ``deadline`` is the loop's time at which its submitter is told ``unavailable``.

    Once ``told`` it is written no more, unless it is ``doubtful``: the outcome of an attempt is unknown, so it may be
    stored already or be stored yet. Such a one is carried on until that is known, or nobody would announce it.
    """

    document: Document
    future: asyncio.Future[Appended]
    deadline: float
    announce: Announce
    told: bool = False
    doubtful: bool = False


@dataclass(slots=True, eq=False)
class ConversationQueue:
    """One conversation: its head as far as known, and what waits, oldest first.

    ``busy`` while its oldest entry is queued, written or settled; ``losses`` counts that entry's failed tries.
    ``in_a_row`` entries were written without a pause, the last of them at ``written_at`` (the loop's time);
    so many ``courtesies`` are owed to another node, an entry of which was ``heard_at``, and in so many ``exchanges``
    it took the turn it was left. The oldest entry stays back for others while there is a ``pause``; ``behind`` is the
    ``seq`` it lost, while the head is learned that it lost against, else 0.
    """

    id: ObjectId
    head: int | None = None
    busy: bool = False
    losses: int = 0
    in_a_row: int = 0
    written_at: float = 0.0
    heard_at: float = 0.0
    courtesies: int = 0
    exchanges: int = 0
    behind: int = 0
    pause: asyncio.TimerHandle | None = None
    waiting: deque[Pending] = field(default_factory=deque)


class ConversationQueues:
    """Every lane with something waiting, and the heads of those used last."""

    def __init__(self) -> None:
        self._lanes: OrderedDict[ObjectId, ConversationQueue] = OrderedDict()
        self._expiry: Expiry[Pending] = Expiry(self._expire)
        self.waiting = 0

    def add(self, pending: Pending) -> ConversationQueue:
        lane = self._of(pending.document["conversationId"])
        lane.waiting.append(pending)
        self._expiry.add(pending)
        self.waiting += 1
        return lane

    def succeed(self, lane: ConversationQueue, appended: Appended, committed: Callable[[Document], None]) -> None:
        """Take the oldest entry out: it is stored. Its announcement comes first, its future after."""
        pending = self._take(lane)
        try:
            if appended.fresh:
                try:
                    committed(appended.document)
                finally:
                    # What is stored is announced, whatever is wrong with the projection.
                    pending.announce(appended)
        except Exception as error:
            # The lane must go on, whatever is wrong with one announcement.
            _raise(pending, error)
            return
        if not pending.future.done():
            pending.future.set_result(appended)

    def fail(self, lane: ConversationQueue, error: Exception) -> None:
        """Take the oldest entry out, telling its submitter why."""
        _raise(self._take(lane), error)

    def _expire(self, pending: Pending) -> None:
        """Its deadline has passed: its submitter is told, and it leaves the queue.

        The oldest of a lane may be being written: it leaves when the lane comes back to it.
        """
        pending.told = True
        _raise(pending, unavailable())
        lane = self._lanes[pending.document["conversationId"]]
        if lane.waiting[0] is not pending:
            lane.waiting.remove(pending)
            self.waiting -= 1

    def withdraw(self, lane: ConversationQueue) -> bool:
        """Take out what need not be written any more; whether there is something left that has to."""
        while lane.waiting and lane.waiting[0].told and not lane.waiting[0].doubtful:
            self._take(lane)
        return bool(lane.waiting)

    def known_head(self, conversation_id: ObjectId) -> int:
        lane = self._lanes.get(conversation_id)
        return (lane.head or 0) if lane else 0

    def get(self, conversation_id: ObjectId) -> ConversationQueue | None:
        return self._lanes.get(conversation_id)

    def pending(self) -> list[asyncio.Future[Appended]]:
        """The newest of each lane whose submitter still waits."""
        newest = (lane.waiting[-1].future for lane in self._lanes.values() if lane.waiting)
        return [future for future in newest if not future.done()]

    def _of(self, conversation_id: ObjectId) -> ConversationQueue:
        lane = self._lanes.get(conversation_id)
        if lane is None:
            lane = self._lanes[conversation_id] = ConversationQueue(conversation_id)
            if len(self._lanes) > MAX_KNOWN_HEADS:
                self._forget_oldest()
        else:
            self._lanes.move_to_end(conversation_id)
        return lane

    def _forget_oldest(self) -> None:
        for conversation_id, lane in self._lanes.items():
            if not lane.busy and not lane.waiting:
                del self._lanes[conversation_id]
                return

    def _take(self, lane: ConversationQueue) -> Pending:
        self.waiting -= 1
        lane.losses = 0
        pending = lane.waiting.popleft()
        self._expiry.discard(pending)
        return pending


def _raise(pending: Pending, error: Exception) -> None:
    if not pending.future.done():
        pending.future.set_exception(error)
        # A submitter that left must not make the loop complain about an error nobody read.
        pending.future.exception()
