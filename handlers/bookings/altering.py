"""Changing a booking: load, decide, commit; again when somebody else was faster."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime

from domain.booking_changes import Change, Settlement
from domain.bookings import Booking, Party
from domain.errors import unavailable
from domain.instants import whole_milliseconds
from handlers.actor import Actor
from handlers.bookings.finding import own_booking
from handlers.context import Context
from store.idempotency import Receipt

# What comes of a booking, decided anew for each version of it.
Decide = Callable[[Booking, Party, datetime], Awaitable[tuple[Change, Settlement]]]
_TRIES = 10


async def alter(
    context: Context, actor: Actor, booking_id: str, decide: Decide, receipt: Receipt | None
) -> Booking:
    """The booking as committed; raises what ``decide`` raises, and ``slot_taken``."""
    for _ in range(_TRIES):
        booking, by = await own_booking(context, actor, booking_id)
        now = whole_milliseconds(context.clock())
        change, settlement = await decide(booking, by, now)
        committed = await context.store.reservations.alter(booking, change, settlement, now, receipt)
        if committed is not None:
            return committed.booking
    raise unavailable()
