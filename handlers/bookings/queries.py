"""The actor's bookings, as both parties see them; another's booking is not found."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta

import msgspec

from domain.bookings import REVIEWABLE, Booking, Party, party
from domain.conversations import UserSummary
from domain.errors import invalid, not_found
from domain.times import from_wire
from domain.wire.bookings import BookingAnswer, BookingPage, GetBooking, ListBookings, PartyCard, booking_answer
from domain.wire.pages import decode_cursor, encode_cursor, not_from_here
from handlers.access import Actor
from handlers.context import ReadContext
from handlers.files.access import url_or_none
from store.bookings import BookingCursor, BookingFilter


async def own_booking(context: ReadContext, actor: Actor, booking_id: str) -> tuple[Booking, Party]:
    """The booking, and as what the actor may deal with it; raises ``not_found``."""
    booking = await context.store.bookings.by_id(booking_id)
    if booking is None:
        raise not_found("booking")
    by = party(booking, actor.user_id, actor.role)
    if by is None:
        raise not_found("booking")
    return booking, by


async def booking_view(context: ReadContext, booking: Booking) -> BookingAnswer:
    (view,) = await booking_views(context, [booking])
    return view


async def booking_views(context: ReadContext, bookings: Sequence[Booking]) -> list[BookingAnswer]:
    people = {user_id for booking in bookings for user_id in booking.user_ids}
    over = [booking.id for booking in bookings if booking.status in REVIEWABLE]
    found, reviews = await asyncio.gather(context.store.people.cards(people), context.store.reviews.of_bookings(over))
    cards = {user_id: _card(context, card) for user_id, card in found.items()}
    return [booking_answer(booking, cards, reviews.get(booking.id)) for booking in bookings]


def _card(context: ReadContext, card: UserSummary) -> PartyCard:
    picture = url_or_none(context, card.profile_image)
    return PartyCard(id=card.profile_id, user_id=card.user_id, name=card.name, profile_image=picture)


async def get_booking(context: ReadContext, actor: Actor, command: GetBooking) -> BookingAnswer:
    booking, _ = await own_booking(context, actor, command.booking_id)
    return await booking_view(context, booking)


async def list_bookings(context: ReadContext, actor: Actor, command: ListBookings) -> BookingPage:
    """By start, the earliest first; an administrator, who has none, gets an empty list."""
    after = _after(command.cursor) if command.cursor else None
    since, until = _span(command)
    if actor.is_admin:
        return BookingPage(items=[], next_cursor=None)
    wanted = BookingFilter(
        trainer_id=actor.profile_id if actor.role == "trainer" else None,
        client_id=actor.profile_id if actor.role == "client" else None,
        statuses=None if command.status is None else (command.status,),
        since=since,
        until=until,
    )
    found = await context.store.bookings.page(wanted, after, command.limit + 1)
    page = found[: command.limit]
    more = len(found) > command.limit
    return BookingPage(
        items=await booking_views(context, page),
        next_cursor=encode_cursor(BookingCursor(page[-1].starts_at, page[-1].id)) if more else None,
    )


def _after(cursor: str) -> BookingCursor:
    place = decode_cursor(BookingCursor, cursor)
    try:
        return msgspec.structs.replace(place, starts_at=place.starts_at.astimezone(UTC))
    except (ValueError, OverflowError):
        # Its offset leads out of the calendar.
        raise not_from_here() from None


def _span(command: ListBookings) -> tuple[datetime | None, datetime | None]:
    """From when to when, the end exclusive; raises ``validation_failed`` for one that ends before it begins."""
    since, until = _instant(command.since, "from", timedelta()), _instant(command.until, "to", timedelta(days=1))
    last = _instant(command.until, "to", timedelta(days=1, milliseconds=-1))
    if since is not None and last is not None and since > last:
        raise invalid("to", "is before from")
    return since, until


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
