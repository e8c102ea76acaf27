"""Commands with an idempotency key whose first result is kept in the very commit that it tells of.

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
from handlers.idempotent import as_answered, claim, digest_of, scope_of
from store.idempotency import Keep, Receipt, nothing

C = TypeVar("C", bound=Command)
R = TypeVar("R")
K = TypeVar("K")
Handler = Callable[[Context, Actor, C], Awaitable[R]]
# Told what the command will have answered; the store is handed what keeps it.
Keeper = Callable[[object], Keep]

# A claim that is taken over cannot be kept any more, so that waiting longer would only delay the repeat.
_CLAIM_LASTS = timedelta(seconds=4)


def idempotent_commit(
    handler: Callable[[Context, Actor, C, Keeper], Awaitable[R]],
) -> Handler[C, R | msgspec.Raw]:
    """For commands that done again would come to something else: they make a row, or find none any more.

    The handler commits with what keeps its answer; a repeat is answered that. Raises ``idempotency_conflict`` when
    the key came with another body before.
    """

    async def commit(context: Context, actor: Actor, command: C, receipt: Receipt | None) -> R:
        def keep(answer: object) -> Keep:
            if receipt is None:
                return nothing
            return functools.partial(context.store.idempotency.keep_within, receipt, wire.encode(answer))

        return await handler(context, actor, command, keep)

    async def recall(context: Context, kept: bytes) -> msgspec.Raw:
        return as_answered(kept)

    @functools.wraps(handler)
    async def once(context: Context, actor: Actor, command: C) -> R | msgspec.Raw:
        return await _once(context, actor, command, commit, recall)

    return once


def idempotent_booking(
    handler: Callable[[Context, Actor, C, Receipt | None], Awaitable[Booking]],
) -> Handler[C, BookingAnswer]:
    """The handler commits, with the receipt; from here the log and the parties are told, and the caller answered.

    A repeat answers the booking as it was committed first. Raises ``idempotency_conflict`` when the key came with
    another body before.
    """

    @functools.wraps(handler)
    async def once(context: Context, actor: Actor, command: C) -> BookingAnswer:
        booking = await _once(context, actor, command, handler, _as_kept)
        told = await announcing.settle(context, booking.id)
        return told.get(booking.version) or await views.booking_view(context, booking)

    return once


async def _once(
    context: Context,
    actor: Actor,
    command: C,
    commit: Callable[[Context, Actor, C, Receipt | None], Awaitable[R]],
    recall: Callable[[Context, bytes], Awaitable[K]],
) -> R | K:
    # Nothing that came later on this socket may overtake.
    async with actor.turn:
        actor = replace(actor, turn=asyncio.Lock())
        if command.idempotency_key is None:
            return await commit(context, actor, command, None)
        claimed = await claim(context, scope_of(actor, command), digest_of(command), _CLAIM_LASTS)
        if isinstance(claimed, bytes):
            return await recall(context, claimed)
        try:
            return await commit(context, actor, command, claimed)
        except BaseException:
            await asyncio.shield(context.store.idempotency.release(claimed))
            raise


async def _as_kept(context: Context, kept: bytes) -> Booking:
    """As committed then, with the words people wrote as they stand now: those may have been erased."""
    booking = wire.decode(Booking, kept)
    current = await context.store.bookings.by_id(booking.id)
    if current is None:
        raise unavailable()
    reason = current.reason if booking.status == "cancelled" else None
    return msgspec.structs.replace(booking, note=current.note, reason=reason)
