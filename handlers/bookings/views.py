"""Bookings as both parties see them."""

from __future__ import annotations

from collections.abc import Sequence

from domain.booking_answers import BookingAnswer, PartyCard, booking_answer
from domain.bookings import Booking
from domain.conversations import Card
from handlers.context import Context
from handlers.files.views import url_or_none


async def booking_view(context: Context, booking: Booking) -> BookingAnswer:
    (view,) = await booking_views(context, [booking])
    return view


async def booking_views(context: Context, bookings: Sequence[Booking]) -> list[BookingAnswer]:
    people = {user_id for booking in bookings for user_id in booking.user_ids}
    cards = {user_id: _card(context, card) for user_id, card in (await context.store.people.cards(people)).items()}
    return [booking_answer(booking, cards) for booking in bookings]


def _card(context: Context, card: Card) -> PartyCard:
    picture = url_or_none(context, card.profile_image)
    return PartyCard(id=card.profile_id, user_id=card.user_id, name=card.name, profile_image=picture)
