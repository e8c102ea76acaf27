"""The actor's bookings."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

import msgspec

from domain.booking_answers import BookingAnswer, BookingPage
from domain.commands.bookings import GetBooking, ListBookings
from domain.errors import invalid
from domain.instants import from_wire
from domain.pages import decode_cursor, encode_cursor, not_from_here
from handlers.actor import Actor
from handlers.bookings import views
from handlers.bookings.finding import own_booking
from handlers.context import Context
from store.bookings import Place, Wanted


async def get_booking(context: Context, actor: Actor, command: GetBooking) -> BookingAnswer:
    booking, _ = await own_booking(context, actor, command.booking_id)
    return await views.booking_view(context, booking)


async def list_bookings(context: Context, actor: Actor, command: ListBookings) -> BookingPage:
    """By start, the earliest first; an administrator, who has none, gets an empty list."""
    after = _after(command.cursor) if command.cursor else None
    if actor.is_admin:
        return BookingPage(items=[], next_cursor=None)
    wanted = Wanted(
        trainer_id=actor.profile_id if actor.role == "trainer" else None,
        client_id=actor.profile_id if actor.role == "client" else None,
        statuses=None if command.status is None else (command.status,),
        since=_instant(command.since, "from", timedelta()),
        until=_instant(command.until, "to", timedelta(days=1)),
    )
    found = await context.store.bookings.page(wanted, after, command.limit + 1)
    page = found[: command.limit]
    more = len(found) > command.limit
    return BookingPage(
        items=await views.booking_views(context, page),
        next_cursor=encode_cursor(Place(page[-1].starts_at, page[-1].id)) if more else None,
    )


def _after(cursor: str) -> Place:
    place = decode_cursor(Place, cursor)
    try:
        return msgspec.structs.replace(place, starts_at=place.starts_at.astimezone(UTC))
    except (ValueError, OverflowError):
        # Its offset leads out of the calendar.
        raise not_from_here() from None


def _instant(text: str | None, field: str, of_date: timedelta) -> datetime | None:
    """An instant, or a date in UTC moved by ``of_date``."""
    if text is None:
        return None
    if len(text) != len("2026-11-22"):
        return from_wire(text, field)
    try:
        return datetime.combine(date.fromisoformat(text), time(), UTC) + of_date
    except (ValueError, OverflowError):
        raise invalid(field, "is neither a date nor an RFC 3339 instant") from None
