"""The order in which a room receives its conversations: by ``seq``, each entry once, from wherever it comes.

A cursor is the last entry that the room's members were given. What is next passes; what comes early is held
until the entries before it arrive, or are fetched from the log; what was given before is dropped. What is withheld
while the node may write nothing to sockets was not given: it is fetched afterwards, and what comes later waits for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterator
from typing import Final, NamedTuple, Protocol

from domain.wire.events import CONVERSATIONS
from server.fanout.delivery import Delivery
from server.protocol.frames import Frame
from store.log.reader import CommitTime

# How long nodes may be apart in publishing what they wrote one after the other.
HOLD_SECONDS = 0.2
# More are not kept: they will be fetched.
MAX_HELD = 500
_RESYNC_EVERY_SECONDS = 1.0
UNKNOWN: Final = -1


class DeliveryCursor:
    """``base``: the entry before the first that the room receives; ``target``: the highest entry known to exist."""

    __slots__ = ("base", "held", "seq", "since", "target", "timer")

    def __init__(self, seq: int, base: int, target: int, since: float = 0.0) -> None:
        self.seq = seq
        self.base = base
        self.target = target
        # The loop's time at which something was first held.
        self.since = since
        self.held: dict[int, Frame] = {}
        self.timer: asyncio.TimerHandle | None = None

    @property
    def lowest(self) -> int:
        """The lowest entry that waits."""
        return min(self.held, default=self.target + 1)

    def cancel_timer(self) -> None:
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None


class Filler(Protocol):
    """Fetches from the log what did not come by itself."""

    def fill(self, buffer: ReorderBuffer, conversation_id: str) -> None:
        """Bring the room to the cursor's target."""

    def locate(self, buffer: ReorderBuffer, conversation_id: str) -> None:
        """Find the position from which the room receives the conversation, and go on from there."""

    @property
    def may_wait(self) -> bool:
        """Whether what is missing may still be on its way."""


class Joined(NamedTuple):
    """When a room was joined on this node, in the order of commits: its members receive what was committed later.

    ``read_at``: the same by the loop's clock.
    """

    at: CommitTime
    read_at: float


class ReorderBuffer:
    """One room's delivery cursors. ``joined`` is None when it could not be read in time."""

    __slots__ = ("_begun", "_cursors", "_delivery", "_filler", "_resynced_at", "joined", "room")

    def __init__(self, room: str, joined: Awaitable[Joined | None], delivery: Delivery, filler: Filler) -> None:
        self.room = room
        self.joined = joined
        self._delivery = delivery
        self._filler = filler
        self._cursors: dict[str, DeliveryCursor] = {}
        # Whose first entry was announced while the room was here.
        self._begun: set[str] = set()
        self._resynced_at = 0.0

    def entry(self, conversation_id: str, seq: int, frame: Frame, certain: bool) -> None:
        """An entry arrived; ``certain``: should the room receive the conversation for the first time, this is next."""
        cursor = self._cursors.get(conversation_id)
        if cursor is None:
            if certain or seq == 1:
                cursor = self._cursors[conversation_id] = DeliveryCursor(seq - 1, seq - 1, seq)
                if self._delivery.deliver(CONVERSATIONS, self.room, frame):
                    cursor.seq = seq
            else:
                self._add_unlocated(conversation_id, seq).held[seq] = frame
        elif seq == cursor.seq + 1:
            if not self._delivery.deliver(CONVERSATIONS, self.room, frame):
                return
            cursor.seq = seq
            if cursor.target <= seq:
                cursor.target = seq
            else:
                self._advance(cursor)
        elif seq > cursor.seq:
            self._early(conversation_id, cursor, seq, frame)
        elif seq <= cursor.base:
            self._late()

    def first_entry_event(self, conversation_id: str, frame: Frame) -> None:
        """What comes before a conversation's first entry, from wherever it comes: once, and never after that entry."""
        cursor = self._cursors.get(conversation_id)
        if (
            conversation_id not in self._begun
            and (cursor is None or cursor.seq < 1)
            and self._delivery.deliver(CONVERSATIONS, self.room, frame)
        ):
            self._begun.add(conversation_id)

    def head(self, conversation_id: str, seq: int) -> None:
        """The conversation has got this far."""
        cursor = self._cursors.get(conversation_id)
        if cursor is None:
            self._add_unlocated(conversation_id, seq)
            return
        cursor.target = max(cursor.target, seq)
        # Also where it was known before: of what was withheld nothing is on its way any more.
        if cursor.seq != UNKNOWN and cursor.seq < seq:
            self._filler.fill(self, conversation_id)

    # --- for the filler ---

    def cursor(self, conversation_id: str) -> DeliveryCursor | None:
        return self._cursors.get(conversation_id)

    def known(self) -> Iterator[str]:
        """The conversations that have a cursor."""
        return (name for name, cursor in self._cursors.items() if cursor.seq != UNKNOWN)

    def start_at(self, conversation_id: str, base: int) -> None:
        """The room has to receive everything past ``base``."""
        cursor = self._cursors.get(conversation_id)
        if cursor is not None and cursor.seq == UNKNOWN:
            cursor.seq = cursor.base = base
            self._advance(cursor)
            if cursor.seq < cursor.target:
                self._filler.fill(self, conversation_id)

    def give_up(self, conversation_id: str) -> None:
        """It cannot be fetched, or is too much: the members have to ask themselves."""
        cursor = self._cursors.get(conversation_id)
        if cursor is None:
            return
        cursor.cancel_timer()
        self.resync()
        for seq in sorted(seq for seq in cursor.held if seq > cursor.seq):
            self._delivery.deliver(CONVERSATIONS, self.room, cursor.held[seq])
        cursor.held.clear()
        cursor.seq = max(cursor.seq, cursor.target)

    def forget(self, conversation_id: str) -> None:
        cursor = self._cursors.pop(conversation_id, None)
        if cursor is not None:
            cursor.cancel_timer()
        self._begun.discard(conversation_id)

    def resync(self) -> None:
        self._delivery.resync(self.room)

    def close(self) -> None:
        for conversation_id in tuple(self._cursors):
            self.forget(conversation_id)

    # --- what is not next ---

    def _add_unlocated(self, conversation_id: str, seq: int) -> DeliveryCursor:
        now = asyncio.get_running_loop().time()
        cursor = self._cursors[conversation_id] = DeliveryCursor(UNKNOWN, UNKNOWN, seq, now)
        self._delivery.counters.held += 1
        self._filler.locate(self, conversation_id)
        return cursor

    def _early(self, conversation_id: str, cursor: DeliveryCursor, seq: int, frame: Frame) -> None:
        cursor.target = max(cursor.target, seq)
        if cursor.seq == UNKNOWN:
            if seq == 1:
                cursor.held[seq] = frame
                self.start_at(conversation_id, 0)
                return
        elif not self._filler.may_wait:
            self._filler.fill(self, conversation_id)
        elif cursor.timer is None:
            loop = asyncio.get_running_loop()
            cursor.timer = loop.call_later(HOLD_SECONDS, self._overdue, conversation_id)
        if len(cursor.held) < MAX_HELD:
            cursor.held[seq] = frame
            self._delivery.counters.held += 1

    def _overdue(self, conversation_id: str) -> None:
        cursor = self._cursors[conversation_id]
        cursor.timer = None
        self._filler.fill(self, conversation_id)

    def _advance(self, cursor: DeliveryCursor) -> None:
        """Give what was held and is next now."""
        while (frame := cursor.held.get(cursor.seq + 1)) is not None:
            if not self._delivery.deliver(CONVERSATIONS, self.room, frame):
                return
            cursor.seq += 1
            del cursor.held[cursor.seq]
        if cursor.seq >= cursor.target:
            cursor.target = cursor.seq
            cursor.held.clear()
            cursor.cancel_timer()

    def _late(self) -> None:
        """Written before the first entry that the room received, and not received until now."""
        now = asyncio.get_running_loop().time()
        if now - self._resynced_at >= _RESYNC_EVERY_SECONDS:
            self._resynced_at = now
            self.resync()
