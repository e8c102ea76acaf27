"""Commands on bookings with an idempotency key: the first result is kept in the very commit that it tells of.

So a server that dies right after the commit leaves no doubt: a repeat is answered with what was committed.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import TypeVar

import msgspec

from domain import wire
from domain.booking_answers import BookingAnswer
from domain.bookings import Booking
from domain.commands import Command
from domain.errors import unavailable
from handlers.actor import Actor
from handlers.bookings import announcing, views
from handlers.context import Context
from handlers.idempotent import claim, digest_of, scope_of
from store.idempotency import Receipt

C = TypeVar("C", bound=Command)
Handler = Callable[[Context, Actor, C, Receipt | None], Awaitable[Booking]]

# A claim that is taken over cannot be kept any more, so that waiting longer would only delay the repeat.
_CLAIM_LASTS = timedelta(seconds=4)


def idempotent_booking(handler: Handler[C]) -> Callable[[Context, Actor, C], Awaitable[BookingAnswer]]:
    """The handler commits, with the receipt; from here the log and the parties are told, and the caller answered.

    A repeat answers the booking as it was committed first. Raises ``idempotency_conflict`` when the key came with
    another body before.
    """

    @functools.wraps(handler)
    async def once(context: Context, actor: Actor, command: C) -> BookingAnswer:
        # Nothing that came later on this socket may overtake.
        async with actor.turn:
            booking = await _once(context, replace(actor, turn=asyncio.Lock()), command)
        told = await announcing.settle(context, booking.id)
        return told.get(booking.version) or await views.booking_view(context, booking)

    async def _once(context: Context, actor: Actor, command: C) -> Booking:
        if command.idempotency_key is None:
            return await handler(context, actor, command, None)
        claimed = await claim(context, scope_of(actor, command), digest_of(command), _CLAIM_LASTS)
        if isinstance(claimed, bytes):
            return await _as_kept(context, claimed)
        try:
            return await handler(context, actor, command, claimed)
        except BaseException:
            await asyncio.shield(context.store.idempotency.release(claimed))
            raise

    return once


async def _as_kept(context: Context, kept: bytes) -> Booking:
    """As committed then, with the words people wrote as they stand now: those may have been erased."""
    booking = wire.decode(Booking, kept)
    current = await context.store.bookings.by_id(booking.id)
    if current is None:
        raise unavailable()
    reason = current.reason if booking.status == "cancelled" else None
    return msgspec.structs.replace(booking, note=current.note, reason=reason)
