"""Notifies this node's watchers of slots: a hint arrives, the database is read, they get what has changed.

One read a trainer at a time, and each begins after the hints that it answers arrived. So what is delivered last is the
newest, in whatever order hints of several nodes arrive.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping

import structlog

from domain import rooms
from domain.slots import Days, ScheduleHint, Slot, SlotHint
from domain.wire.availability import slot_answers
from domain.wire.events import BOOKINGS, SlotsChanged
from handlers.context import ReadContext
from handlers.slots.changes import SlotStatus, slot_status
from server.callbacks import notify
from server.engineio.socket import EngineSocket
from server.fanout.delivery import Delivery
from server.fanout.gaps import READ_SECONDS
from server.observability.logging import safe_traceback
from server.protocol import frames
from server.protocol.packets import encode
from store.backoff import ExponentialBackoff
from store.command_budget import shared_work
from store.concurrency import Tasks

log = structlog.get_logger("slots")

# One event stays well below what a socket may have waiting.
AT_ONCE = 500
# Past this it is cheaper to have the watchers ask for the days that they show.
MOST_CHANGES = 2000
MAX_HINTS = 500
# Each costs all slots up to the horizon, some 20 ms for who offers the most there can be.
MAX_SCHEDULES = 8
TIMEOUT_SECONDS = 10.0
_BACKOFF = ExponentialBackoff(first=0.1, longest=1.0)


Watchers = Callable[[str], Mapping[Days, Collection[EngineSocket]]]


class SlotNotifier:
    """``watchers``: the sockets of this node that watch a trainer's slots, by the days that they watch."""

    def __init__(self, delivery: Delivery, watchers: Watchers, context: ReadContext) -> None:
        self._delivery = delivery
        self._watchers = watchers
        self._context = context
        # By trainer, hints that no look has answered yet; there is a task as long as there is an entry.
        self._hints: dict[str, list[SlotHint]] = {}
        self._tasks = Tasks()
        # It is read for all who watch, not in the time of who changed something.
        self._reading = shared_work(READ_SECONDS)
        self._loop = asyncio.get_running_loop()

    async def stop(self) -> None:
        await self._tasks.stop()

    def take(self, trainer_id: str, hint: SlotHint) -> None:
        """Whoever begins to watch later reads what was committed before."""
        if not self._watchers(trainer_id):
            return
        hints = self._hints.get(trainer_id)
        if hints is not None:
            if len(hints) <= MAX_HINTS:
                # With one more than that the watchers have to ask, whatever the others hint at.
                hints.append(hint)
            return
        self._hints[trainer_id] = [hint]
        self._tasks.spawn(self._answer_hints(trainer_id), self._reading.copy())

    async def _answer_hints(self, trainer_id: str) -> None:
        try:
            while hints := self._hints[trainer_id]:
                self._hints[trainer_id] = []
                try:
                    await self._answer(trainer_id, hints)
                except Exception as error:
                    # What came meanwhile is still to be answered.
                    log.error("notifying slot watchers failed", **safe_traceback(error))
                    notify(self._delivery.resync, rooms.slots(trainer_id))
        finally:
            del self._hints[trainer_id]

    async def _answer(self, trainer_id: str, hints: Collection[SlotHint]) -> None:
        found = None if _are_too_many(hints) else await self._look(trainer_id, hints)
        if found is None:
            self._delivery.resync(rooms.slots(trainer_id))
            return
        # No suspension from here on: who begins to watch now reads what is newer.
        for days, members in self._watchers(trainer_id).items():
            self._deliver(trainer_id, members, *found.within(days))

    async def _look(self, trainer_id: str, hints: Collection[SlotHint]) -> SlotStatus | None:
        """Nothing when the database does not answer for long."""
        give_up, attempts = self._loop.time() + TIMEOUT_SECONDS, 0
        while True:
            attempts += 1
            try:
                return await slot_status(self._context, trainer_id, hints)
            except Exception as error:
                if self._loop.time() > give_up:
                    log.warning("slot watchers have to ask", **safe_traceback(error))
                    return None
            await asyncio.sleep(_BACKOFF.pause(attempts))

    def _deliver(
        self, trainer_id: str, members: Collection[EngineSocket], added: list[Slot], removed: list[Slot]
    ) -> None:
        if len(added) + len(removed) > MOST_CHANGES:
            self._delivery.resync_each(BOOKINGS, members)
            return
        while added or removed:
            event = SlotsChanged(
                trainer_id=trainer_id, added=slot_answers(added[:AT_ONCE]), removed=slot_answers(removed[:AT_ONCE])
            )
            self._delivery.deliver_to(members, frames.text(encode(event, BOOKINGS)))
            added, removed = added[AT_ONCE:], removed[AT_ONCE:]


def _are_too_many(hints: Collection[SlotHint]) -> bool:
    schedules = sum(isinstance(hint, ScheduleHint) for hint in hints)
    return len(hints) > MAX_HINTS or schedules > MAX_SCHEDULES
