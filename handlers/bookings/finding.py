"""Look-ups that start from the actor: another's booking is not found."""

from __future__ import annotations

from domain.bookings import Booking, Party, party
from domain.errors import not_found
from handlers.actor import Actor
from handlers.context import Context


async def own_booking(context: Context, actor: Actor, booking_id: str) -> tuple[Booking, Party]:
    """The booking, and as what the actor may deal with it; raises ``not_found``."""
    booking = await context.store.bookings.by_id(booking_id)
    if booking is None:
        raise not_found("booking")
    by = party(booking, actor.user_id, actor.role)
    if by is None:
        raise not_found("booking")
    return booking, by
