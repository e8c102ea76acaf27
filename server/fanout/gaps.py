"""Fetching from the log what did not arrive live."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import structlog

from domain.wire.events import CONVERSATIONS
from handlers.context import ReadContext
from handlers.messages import recovery
from handlers.messages.recovery import Missed
from server.callbacks import notify
from server.fanout.delivery import Delivery
from server.fanout.reorder import HOLD_SECONDS, UNKNOWN, Joined, ReorderBuffer
from server.observability.logging import safe_traceback
from server.protocol import frames
from server.protocol.packets import encode
from store.backoff import ExponentialBackoff
from store.command_budget import shared_work
from store.concurrency import SingleFlight, Tasks

log = structlog.get_logger("fanout")

MAX_CONVERSATIONS_A_READ = 100
MAX_ENTRIES_A_READ = 500
MAX_HEADS_A_READ = 500
# A room that is further behind is better off asking itself.
MAX_GAP = 1000
# A room that receives a conversation for the first time is given at most so much of what it should have received.
MAX_BACK = 100
MAX_LOCATING = 8
TIMEOUT_SECONDS = 10.0
# Of one read: within the time-out there are others, by another connection if this one has stalled.
READ_SECONDS = 3.0
JOIN_SECONDS = 1.0
# MongoDB keeps 300 s of history (minSnapshotHistoryWindowInSeconds) unless it is set otherwise.
HISTORY_SECONDS = 240
_BACKOFF = ExponentialBackoff(first=0.1, longest=1.0)


@dataclass(slots=True)
class _Want:
    since: float
    buffers: set[ReorderBuffer] = field(default_factory=set)


class GapFiller:
    """``may_wait``: whether what is missing may still be on its way."""

    def __init__(self, delivery: Delivery, may_wait: Callable[[], bool], context: ReadContext) -> None:
        self._delivery = delivery
        self._may_wait = may_wait
        self._context = context
        self._joining = SingleFlight()
        self._wanted: dict[str, _Want] = {}
        self._filling = False
        self._locating = asyncio.Semaphore(MAX_LOCATING)
        self._tasks = Tasks()
        self._reading = shared_work(READ_SECONDS)
        self._loop = asyncio.get_running_loop()

    async def stop(self) -> None:
        await self._tasks.stop()

    @property
    def may_wait(self) -> bool:
        return self._may_wait()

    def fill(self, buffer: ReorderBuffer, conversation_id: str) -> None:
        """Bring the room to the cursor's target."""
        self._want(conversation_id, self._loop.time()).buffers.add(buffer)
        if not self._filling:
            self._filling = True
            self._tasks.spawn(self._fill_all(), self._reading.copy())

    def locate(self, buffer: ReorderBuffer, conversation_id: str) -> None:
        """Find the position from which the room receives the conversation, and go on from there."""
        self._tasks.spawn(self._locate(buffer, conversation_id), self._reading.copy())

    def catch_up(self, rooms: Iterable[ReorderBuffer]) -> None:
        """Fetch what was missed of every conversation that has a cursor."""
        buffers: dict[str, list[ReorderBuffer]] = {}
        for buffer in rooms:
            for conversation_id in buffer.known():
                buffers.setdefault(conversation_id, []).append(buffer)
        if buffers:
            self._tasks.spawn(self._catch_up(buffers), self._reading.copy())

    # --- filling ---

    def _want(self, conversation_id: str, since: float) -> _Want:
        want = self._wanted.get(conversation_id)
        if want is None:
            want = self._wanted[conversation_id] = _Want(since)
        return want

    async def _fill_all(self) -> None:
        in_vain = 0
        try:
            while self._wanted:
                if not self._delivery.serves():
                    # It would be withheld; ``catch_up`` wants all of it again.
                    self._wanted.clear()
                    break
                batch = {i: self._wanted.pop(i) for i in tuple(self._wanted)[:MAX_CONVERSATIONS_A_READ]}
                try:
                    progressed = await self._fill(batch)
                except Exception as error:
                    # What these rooms miss they have to ask for; the others are still to be filled.
                    log.error("filling gaps failed", **safe_traceback(error))
                    progressed = False
                    for conversation_id, want in batch.items():
                        for buffer in want.buffers:
                            notify(buffer.give_up, conversation_id)
                if progressed:
                    in_vain = 0
                else:
                    in_vain += 1
                    await asyncio.sleep(_BACKOFF.pause(in_vain))
        finally:
            self._filling = False

    async def _fill(self, batch: Mapping[str, _Want]) -> bool:
        """Fill as much as one read brings; false when it brought nothing."""
        spans = {i: span for i, want in batch.items() if (span := _span(i, want.buffers)) is not None}
        if not spans:
            return True
        try:
            found = await recovery.missed(self._context, spans, MAX_ENTRIES_A_READ)
            first_events = await self._first_entry_events(found)
        except Exception as error:
            log.warning("filling gaps failed", **safe_traceback(error))
            found, first_events = [], {}
        for missed in found:
            self._offer(missed, batch[missed.conversation_id].buffers, first_events.get(missed.conversation_id, {}))
        self._delivery.counters.gap_fills += len(found)
        self._go_on(batch, {missed.conversation_id for missed in found})
        return bool(found)

    def _offer(
        self, missed: Missed, buffers: Iterable[ReorderBuffer], first_events: Mapping[str, frames.Frame]
    ) -> None:
        frame = frames.text(encode(missed.event, CONVERSATIONS))
        for buffer in tuple(buffers):
            cursor = buffer.cursor(missed.conversation_id)
            if cursor is not None and cursor.seq == missed.seq - 1:
                if missed.seq == 1 and buffer.room in first_events:
                    buffer.first_entry_event(missed.conversation_id, first_events[buffer.room])
                buffer.entry(missed.conversation_id, missed.seq, frame, False)

    async def _first_entry_events(self, found: Iterable[Missed]) -> dict[str, dict[str, frames.Frame]]:
        return {
            missed.conversation_id: {
                room: frames.text(encode(event, CONVERSATIONS))
                for room, event in (await recovery.first_entry_events(self._context, missed.conversation_id)).items()
            }
            for missed in found
            if missed.seq == 1
        }

    def _go_on(self, batch: Mapping[str, _Want], progressed: set[str]) -> None:
        """Want the rest; whoever got nothing for too long has to ask itself."""
        now = self._loop.time()
        for conversation_id, want in batch.items():
            for buffer in want.buffers:
                cursor = buffer.cursor(conversation_id)
                if cursor is None or cursor.seq >= cursor.target or cursor.seq == UNKNOWN:
                    continue
                if conversation_id not in progressed and now - want.since > TIMEOUT_SECONDS:
                    buffer.give_up(conversation_id)
                else:
                    since = now if conversation_id in progressed else want.since
                    self._want(conversation_id, since).buffers.add(buffer)

    # --- finding the position ---

    async def _locate(self, buffer: ReorderBuffer, conversation_id: str) -> None:
        deadline = self._loop.time() + TIMEOUT_SECONDS
        in_vain = 0
        while self._is_unlocated(buffer, conversation_id):
            try:
                if await self._try_locating(buffer, conversation_id):
                    return
            except Exception as error:
                log.warning("finding the position of a room failed", **safe_traceback(error))
                in_vain += 1
                await asyncio.sleep(_BACKOFF.pause(in_vain))
            cursor = buffer.cursor(conversation_id)
            if cursor is not None and self._loop.time() > deadline:
                buffer.resync()
                buffer.start_at(conversation_id, cursor.lowest - 1)

    async def _try_locating(self, buffer: ReorderBuffer, conversation_id: str) -> bool:
        """Whether it was found; if not, something arrived in the meantime that may decide it."""
        cursor = buffer.cursor(conversation_id)
        assert cursor is not None
        lowest, only_announced = cursor.lowest, not cursor.held
        joined = await buffer.joined
        async with self._locating:
            head, exact = await self._head_when(joined, conversation_id)
        if cursor.lowest != lowest:
            return False
        if head is not None and head >= lowest - 1 and (exact or not only_announced):
            # Whatever came before it was committed when the room was joined: its members have it from `sync`.
            buffer.start_at(conversation_id, lowest - 1)
            return True
        if self.may_wait and (wait := cursor.since + HOLD_SECONDS - self._loop.time()) > 0:
            await asyncio.sleep(wait)
            return False
        if head is None or head >= lowest - 1 or lowest - 1 - head > MAX_BACK:
            # It can't be known what the members lack, or it is too much: they have to ask.
            await self._join_again(buffer)
            if cursor.lowest != lowest:
                return False
            buffer.resync()
            head = lowest - 1
        buffer.start_at(conversation_id, head)
        return True

    # --- when a room was joined ---

    async def join(self) -> Joined | None:
        """Now, in the order of commits; nothing when MongoDB does not answer soon.

        An answer that comes later is of no use: members may have synced before.
        """
        try:
            async with asyncio.timeout(JOIN_SECONDS):
                return await self._joining.do("now", self._now)
        except Exception as error:
            log.warning("a room's position in the order of commits is not known", error=type(error).__name__)
            return None

    async def _now(self) -> Joined:
        read_at = self._loop.time()
        return Joined(await recovery.commit_time(self._context), read_at)

    async def _join_again(self, buffer: ReorderBuffer) -> None:
        """Before the members receive ``sync:required``: what is committed later is due again."""
        joining = self._loop.create_task(self.join())
        buffer.joined = joining
        await joining

    async def _head_when(self, joined: Joined | None, conversation_id: str) -> tuple[int | None, bool]:
        """How far the conversation had got when the room was joined, and whether that is exact.

        Of a room that was joined long ago: when history begins. What was published since then was received, and gave
        the conversation a cursor; what was not is announced by those who recover it.
        """
        if joined is None:
            return None, False
        if self._loop.time() - joined.read_at < HISTORY_SECONDS:
            return await recovery.head_at(self._context, conversation_id, joined.at), True
        now = await recovery.commit_time(self._context)
        return await recovery.head_at(self._context, conversation_id, now.earlier(HISTORY_SECONDS)), False

    @staticmethod
    def _is_unlocated(buffer: ReorderBuffer, conversation_id: str) -> bool:
        cursor = buffer.cursor(conversation_id)
        return cursor is not None and cursor.seq == UNKNOWN

    # --- after an interruption ---

    async def _catch_up(self, buffers: Mapping[str, list[ReorderBuffer]]) -> None:
        ids = list(buffers)
        deadline = self._loop.time() + TIMEOUT_SECONDS
        while ids and self._loop.time() < deadline:
            chunk = ids[:MAX_HEADS_A_READ]
            try:
                heads = await recovery.heads(self._context, chunk)
            except Exception as error:
                log.warning("reading heads failed", **safe_traceback(error))
                await asyncio.sleep(_BACKOFF.longest)
                continue
            del ids[: len(chunk)]
            for conversation_id, head in heads.items():
                for buffer in buffers[conversation_id]:
                    if buffer.cursor(conversation_id) is not None:
                        notify(buffer.head, conversation_id, head)


def _span(conversation_id: str, buffers: Iterable[ReorderBuffer]) -> tuple[int, int] | None:
    """What the rooms lack between them; those that lack too much receive ``sync:required``."""
    low = high = None
    for buffer in buffers:
        cursor = buffer.cursor(conversation_id)
        if cursor is None or cursor.seq == UNKNOWN or cursor.seq >= cursor.target:
            continue
        if cursor.target - cursor.seq > MAX_GAP:
            buffer.give_up(conversation_id)
            continue
        low = cursor.seq if low is None else min(low, cursor.seq)
        high = cursor.target if high is None else max(high, cursor.target)
    return None if low is None or high is None else (low, high)
