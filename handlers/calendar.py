"""A feed of one's bookings for calendar programs, which can send no header: its URL is the secret."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import msgspec

from domain.accounts import User, may_sign_in
from domain.bookings import OCCUPYING, VOID, Booking
from domain.calendar_feed import PAST, CalendarAnswer, feed
from domain.commands.calendar import ReadCalendar
from domain.errors import not_found
from domain.instants import whole_milliseconds
from handlers.access import require_role
from handlers.actor import Actor, Visitor
from handlers.context import Context
from store.bookings import Wanted

_PURPOSE = "calendar feed"
# A feed is read whole; nobody has more sessions than that before and behind him.
_MOST = 5000
# What was cancelled can be made without end.
_MOST_VOID = 500
# So many events are written out before others have their turn.
_AT_ONCE = 10


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
    bookings = await _bookings_of(context, user)
    people = {other for booking in bookings for other in booking.user_ids}
    return await _joined(feed(bookings, await context.store.people.cards(people), user.id))


async def _bookings_of(context: Context, user: User) -> list[Booking]:
    """Those that count and those that do not, each by its own limit: none keeps the other out."""
    wanted = Wanted(
        trainer_id=user.profile_id if user.role == "trainer" else None,
        client_id=user.profile_id if user.role == "client" else None,
        since=context.clock() - PAST,
    )
    found: list[Booking] = []
    for statuses, most in ((OCCUPYING, _MOST), (VOID, _MOST_VOID)):
        page = await context.store.bookings.page(msgspec.structs.replace(wanted, statuses=statuses), None, most)
        found += page
    return found


async def _joined(parts: Iterable[bytes]) -> bytes:
    """Each takes the library a third of a millisecond, and a trainer has thousands: others come in between."""
    document = bytearray()
    for number, part in enumerate(parts):
        document += part
        if number % _AT_ONCE == 0:
            await asyncio.sleep(0)
    return bytes(document)
