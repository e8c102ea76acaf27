"""What waits to be appended, a queue a conversation: plain data of the appender."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from bson import ObjectId

from domain.messages import MessageRecord
from store.database import Document
from store.log.fairness import Contention


@dataclass(slots=True, eq=False)
class Appended:
    """An entry as stored; ``fresh`` is false when an earlier one with its ``clientMessageId`` was found.

    ``target`` is what a change entry made of its message.
    """

    document: Document
    fresh: bool
    target: MessageRecord | None = None


OnCommitted = Callable[[Appended], None]


@dataclass(slots=True, eq=False)
class PendingEntry:
    """An entry on its way; at ``deadline``, by the monotonic clock, its submitter is answered ``unavailable``.

    Once ``expired`` it is written no more, unless it is ``doubtful``: the outcome of an attempt is unknown, so it may
    be stored already or be stored yet. Such a one is carried on until that is known, or nobody would publish it.
    """

    document: Document
    future: asyncio.Future[Appended]
    deadline: float
    on_committed: OnCommitted
    expired: bool = False
    doubtful: bool = False

    def fail(self, error: Exception) -> None:
        if not self.future.done():
            self.future.set_exception(error)
            # A submitter that left must not make the loop complain about an error nobody read.
            self.future.exception()


@dataclass(slots=True, eq=False)
class ConversationQueue:
    """One conversation: its head as far as known, and what waits, oldest first.

    ``busy`` while its oldest entry is queued, written or settled; ``losses`` counts that entry's failed attempts.
    The oldest entry stays back for other nodes while there is a ``pause``; ``lost_seq`` is the ``seq`` it lost, while
    the head is learned that it lost against, else 0.
    """

    id: ObjectId
    head: int | None = None
    busy: bool = False
    losses: int = 0
    lost_seq: int = 0
    pause: asyncio.TimerHandle | None = None
    contention: Contention = field(default_factory=Contention)
    waiting: deque[PendingEntry] = field(default_factory=deque)
