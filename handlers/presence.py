"""Presence, for those who may know of it: oneself, and whom one shares a conversation and no block with."""

from __future__ import annotations

import asyncio
from datetime import datetime

from domain.presence import NOWHERE, View
from domain.times import from_milliseconds, to_wire_or_none
from domain.wire.presence import Presence, PresenceList, SetPresence, UnwatchPresence, WatchPresence
from handlers.access import Actor
from handlers.context import PresenceContext


async def watch(context: PresenceContext, actor: Actor, command: WatchPresence) -> PresenceList:
    """Send this connection changes from now on; answers the present views.

    Whom one may not see is left out like one who does not exist: a list with one stale id still serves for the rest.
    """
    wanted = dict.fromkeys(command.user_ids)
    partners, last_seen, blocked = await asyncio.gather(
        context.store.conversations.partners(actor.user_id, wanted),
        context.store.presences.last_seen(wanted),
        context.store.user_blocks.among(actor.user_id, wanted),
    )
    visible = [i for i in wanted if (i in partners and i not in blocked) or i == actor.user_id]
    # Whoever is erased is gone for good.
    views = await context.presence.watch(actor.connection, [i for i in visible if i in last_seen])
    presences = [_presence(i, views.get(i, NOWHERE), last_seen.get(i)) for i in visible]
    return PresenceList(presences=presences)


async def unwatch(context: PresenceContext, actor: Actor, command: UnwatchPresence) -> None:
    context.presence.unwatch(actor.connection, command.user_ids)


async def set_status(context: PresenceContext, actor: Actor, command: SetPresence) -> None:
    """What the device that asks says; of several devices the most present counts.

    Invisible holds for the person, on every device, until one of them says something else. Both are kept first, so
    that nobody sees a flash of somebody invisible who reconnects.
    """
    presence = context.presence
    # Asked for now: what is stored holds for the device also if its connection is replaced meanwhile.
    device = presence.device_of(actor.connection)
    # One after the other: what is said last has to be what is kept.
    async with actor.submit_lock:
        try:
            choice = await context.store.presences.choose(actor.user_id, command.status)
        except BaseException:
            # It may have been stored all the same.
            presence.invalidate(actor.user_id)
            raise
        try:
            await context.store.sessions.set_presence(actor.session_id, command.status)
        finally:
            # What is stored of the person holds, whatever becomes of the rest.
            presence.set(actor.user_id, device, command.status, choice)
        await presence.published(actor.user_id)


def _presence(user_id: str, view: View, stored: datetime | None) -> Presence:
    seen = None
    if view.status == "offline":
        seen = max(filter(None, (from_milliseconds(view.seen), stored)), default=None)
    return Presence(user_id=user_id, status=view.status, last_seen_at=to_wire_or_none(seen))
