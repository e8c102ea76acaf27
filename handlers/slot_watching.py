"""A phone that shows a trainer's free slots, live."""

from __future__ import annotations

from domain.commands.availability import ListSlots
from domain.commands.bookings import UnwatchSlots, WatchSlots
from domain.slot_answers import SlotList
from handlers.actor import Actor
from handlers.context import Context
from handlers.slots import list_slots


async def watch(context: Context, actor: Actor, command: WatchSlots) -> SlotList:
    """Tell this connection of each slot that comes or goes from now on; answers those that are free."""
    # In turn: another of this socket's watches must not come between.
    async with actor.turn:
        # The position first, the state after: nothing falls in between.
        came = await context.slot_watches.watch(actor.connection, command.trainer_id)
        try:
            span = ListSlots(trainer_id=command.trainer_id, since=command.since, until=command.until)
            return await list_slots(context, actor, span)
        except BaseException:
            # Who asks for days that are refused goes on watching those that were shown before.
            if came:
                context.slot_watches.unwatch(actor.connection, command.trainer_id)
            raise


async def unwatch(context: Context, actor: Actor, command: UnwatchSlots) -> None:
    async with actor.turn:
        context.slot_watches.unwatch(actor.connection, command.trainer_id)
