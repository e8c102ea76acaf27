"""Booking commands with a key: committed once, then published."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from typing import TypeVar

import msgspec

from domain.bookings import Booking
from domain.errors import unavailable
from domain.wire.base import Command
from domain.wire.bookings import BookingAnswer
from handlers.access import Actor
from handlers.bookings import outbox, queries
from handlers.context import PublishContext
from handlers.idempotency import Handler, committed_once
from store.booking_transactions import RESULT
from store.idempotency import Claim, StoredResult

C = TypeVar("C", bound=Command)
# Commits a change of a booking, with what keeps the key's result.
Committing = Callable[[PublishContext, Actor, C, Claim | None], Awaitable[Booking]]


def idempotent_booking(
    name: str,
) -> Callable[[Committing[C]], Handler[PublishContext, C, BookingAnswer]]:
    """The handler commits, with the claim; from here it goes to the log and to the parties, and the caller is answered.

    A repeat answers the booking as it was committed first. Raises ``idempotency_conflict`` when the key came with
    another body before. ``name``: the key's scope.
    """

    def decorate(handler: Committing[C]) -> Handler[PublishContext, C, BookingAnswer]:
        @functools.wraps(handler)
        async def once(context: PublishContext, actor: Actor, command: C) -> BookingAnswer:
            booking = await committed_once(name, context, actor, command, handler, as_kept)
            settled = await outbox.publish_pending(context, booking.id, booking.version)
            return settled.get(booking.version) or await queries.booking_view(context, booking)

        # It is called as the one that commits, and answers what clients see: the documents say so.
        once.__annotations__ = {**handler.__annotations__, "return": BookingAnswer}
        return once

    return decorate


async def as_kept(context: PublishContext, stored: StoredResult) -> Booking:
    """As committed then, with the words people wrote as they are now: those may have been erased."""
    assert stored.result is not None
    booking = RESULT.decode(stored.result, stored.version)
    current = await context.store.bookings.by_id(booking.id)
    if current is None:
        raise unavailable()
    reason = current.reason if booking.status == "cancelled" else None
    return msgspec.structs.replace(booking, note=current.note, reason=reason)
