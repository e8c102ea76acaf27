"""The actor's bookings, as both parties see them; another's booking is not found."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import get_args

import msgspec

from domain.bookings import REVIEWABLE, Booking, Party, Status, party
from domain.conversations import UserSummary, pair_key
from domain.errors import Code, DomainError, FieldError, invalid, not_found
from domain.times import from_wire
from domain.wire.bookings import (
    BookingAnswer,
    BookingPage,
    GetBooking,
    ListBookings,
    PartyCard,
    booking_answer,
)
from domain.wire.fields import Seq
from domain.wire.moderation import ListAllBookings
from domain.wire.pages import InstantCursor, decode_cursor, decode_instant_cursor, encode_cursor, take_within_size
from handlers.access import Actor
from handlers.context import ReadContext
from handlers.files.access import url_or_none
from store.bookings import BookingFilter


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
    found, reviews, blocked = await asyncio.gather(
        context.store.people.cards(people),
        context.store.reviews.of_bookings(over),
        context.store.user_blocks.blocked_pairs({pair_key(*booking.user_ids) for booking in bookings}),
    )
    cards = {user_id: _card(context, card) for user_id, card in found.items()}
    return [
        booking_answer(
            booking, cards, reviews.get(booking.id), blocked=pair_key(*booking.user_ids) in blocked
        )
        for booking in bookings
    ]


def _card(context: ReadContext, card: UserSummary) -> PartyCard:
    picture = url_or_none(context, card.profile_image)
    return PartyCard(id=card.profile_id, user_id=card.user_id, name=card.name, profile_image=picture)


async def get_booking(context: ReadContext, actor: Actor, command: GetBooking) -> BookingAnswer:
    booking, _ = await own_booking(context, actor, command.booking_id)
    return await booking_view(context, booking)


class ChangesCursor(msgspec.Struct, frozen=True):
    """The number of the last change that was told (``store/booking_changes.py``)."""

    number: Seq


async def list_bookings(context: ReadContext, actor: Actor, command: ListBookings) -> BookingPage:
    """By start, the earliest first, or by what changed; an administrator, who has none, gets an empty list."""
    if command.changed_after is not None:
        return await _changed(context, actor, command, command.changed_after)
    wanted = BookingFilter(
        trainer_id=actor.profile_id if actor.role == "trainer" else None,
        client_id=actor.profile_id if actor.role == "client" else None,
    )
    return await bookings_by_start(context, command, None if actor.is_admin else wanted)


async def bookings_by_start(
    context: ReadContext, command: ListBookings | ListAllBookings, whose: BookingFilter | None
) -> BookingPage:
    """Those that the command asks for, by start, the earliest first; ``whose``: of nobody, nothing."""
    after = decode_instant_cursor(command.cursor)
    statuses = None if command.status is None else _statuses(command.status)
    since, until = _span(command)
    if whose is None:
        return BookingPage(items=[], next_cursor=None)
    wanted = msgspec.structs.replace(whose, statuses=statuses, since=since, until=until)
    found = await context.store.bookings.page(wanted, after, command.limit + 1)
    items = take_within_size(await booking_views(context, found[: command.limit])) if found else []
    last = found[len(items) - 1] if len(found) > len(items) else None
    return BookingPage(
        items=items,
        next_cursor=None if last is None else encode_cursor(InstantCursor.of(last.starts_at, last.id)),
    )


async def _changed(context: ReadContext, actor: Actor, command: ListBookings, changed_after: str) -> BookingPage:
    """What is filtered now may have been told before; a list that leaves anything out would hide that it changed."""
    others = (("status", command.status), ("from", command.since), ("to", command.until), ("cursor", command.cursor))
    beside = tuple(FieldError(name, "does not go with changedAfter") for name, value in others if value is not None)
    if beside:
        raise DomainError(Code.VALIDATION_FAILED, "With changedAfter only a limit may be given.", errors=beside)
    place = ChangesCursor(0)
    if changed_after:
        place = decode_cursor(ChangesCursor, changed_after, "changedAfter", "changes of its last answer")
    if actor.is_admin:
        return BookingPage(items=[], changes=encode_cursor(place), has_more=False)
    found = await context.store.booking_changes.since(actor.role, actor.profile_id, place.number, command.limit)
    items = take_within_size(await booking_views(context, [booking for _, booking in found.bookings]))
    reached = found.bookings[len(items) - 1][0] if items else found.start
    return BookingPage(
        items=items,
        changes=encode_cursor(ChangesCursor(reached)),
        has_more=found.has_more or len(items) < len(found.bookings),
    )


def _statuses(text: str) -> frozenset[Status]:
    known: tuple[Status, ...] = get_args(Status)
    return frozenset(known) & frozenset(text.split(","))


def _span(command: ListBookings | ListAllBookings) -> tuple[datetime | None, datetime | None]:
    """From when to when, the end exclusive; raises ``validation_failed`` for one that ends before it begins."""
    since, until = _instant(command.since, "from", timedelta()), _instant(command.until, "to", timedelta(days=1))
    last = _instant(command.until, "to", timedelta(days=1, milliseconds=-1))
    if since is not None and last is not None and since > last:
        raise invalid("to", "has to be later than from")
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
        raise invalid(field, "has to be a date of the calendar as YYYY-MM-DD, or an instant of RFC 3339") from None
