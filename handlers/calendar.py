"""A feed of one's bookings for calendar programs, which can send no header: its URL is the secret."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import msgspec

from domain.accounts import User, may_sign_in
from domain.bookings import Booking
from domain.calendar_feed import PAST, CalendarAnswer, feed
from domain.commands.calendar import ReadCalendar
from domain.errors import not_found
from domain.instants import whole_milliseconds
from handlers.access import require_role
from handlers.actor import Actor, Visitor
from handlers.context import Context
from store.bookings import Wanted

_PURPOSE = "calendar feed"
# A feed is read whole; nobody has more sessions before him.
_MOST = 2000
# What began so lately may still be going on.
_LATELY = timedelta(days=1)


async def open_calendar(context: Context, actor: Actor, command: None) -> CalendarAnswer:
    """A new URL; the one before it ends."""
    require_role(actor, "client", "trainer")
    token = context.secrets.random()
    hashed = context.secrets.keyed_hash(_PURPOSE, token)
    await context.store.calendars.put(actor.user_id, hashed, whole_milliseconds(context.clock()))
    return CalendarAnswer(url=f"/v1/calendar/{token}.ics")


async def close_calendar(context: Context, actor: Actor, command: None) -> None:
    await context.store.calendars.remove(actor.user_id)


async def read_calendar(context: Context, visitor: Visitor, command: ReadCalendar) -> bytes:
    """The document; raises ``not_found`` for a token that is none, or whose owner may not sign in."""
    user_id = await context.store.calendars.user_of(context.secrets.keyed_hash(_PURPOSE, command.token))
    user = await context.store.users.by_id(user_id) if user_id else None
    if user is None or not may_sign_in(user):
        raise not_found("calendar")
    bookings = await _bookings(context, user)
    people = {other for booking in bookings for other in booking.user_ids}
    cards = await context.store.people.cards(people)
    # A thousand events take seconds to write; nobody else on this node waits for them.
    return await asyncio.to_thread(feed, bookings, cards, user.id)


async def _bookings(context: Context, user: User) -> list[Booking]:
    """By start. Where there are too many, it is what is long over that is left out."""
    now = context.clock()
    page = context.store.bookings.page
    wanted = Wanted(
        trainer_id=user.profile_id if user.role == "trainer" else None,
        client_id=user.profile_id if user.role == "client" else None,
    )
    ahead = await page(msgspec.structs.replace(wanted, since=now - _LATELY), None, _MOST)
    if len(ahead) == _MOST:
        return ahead
    over = msgspec.structs.replace(wanted, since=now - PAST, until=now - _LATELY)
    return [*await page(over, None, _MOST - len(ahead)), *ahead]
