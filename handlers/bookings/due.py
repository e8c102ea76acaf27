"""What time does to bookings: reminders, completions, holds that run out. Any node may do it, each thing once."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

import msgspec
import structlog

from domain import rooms
from domain.accounts import may_sign_in
from domain.booking_changes import ending
from domain.bookings import Booking
from domain.reminders import Notice, due_notices, next_due
from domain.wire.events import BookingReminder
from handlers import mails
from handlers.bookings import announce, queries
from handlers.context import Context

log = structlog.get_logger("due work")

# Longer than the mail server may take; a node that dies in between is followed by another after this time, and
# what could not be given is tried again.
_CLAIM_LASTS = timedelta(seconds=60)
_AT_ONCE = 16


async def work(context: Context) -> int:
    """Do all that is due; answers how many bookings that concerned."""
    count = 0
    while claimed := await _claimed(context):
        await asyncio.gather(*(_attend(context, booking) for booking in claimed))
        count += len(claimed)
    return count


async def _claimed(context: Context) -> list[Booking]:
    claimed: list[Booking] = []
    while len(claimed) < _AT_ONCE:
        booking = await context.store.bookings.claim_due(context.now(), _CLAIM_LASTS)
        if booking is None:
            break
        claimed.append(booking)
    return claimed


async def _attend(context: Context, booking: Booking) -> None:
    now = context.now()
    try:
        ended = ending(booking, now)
        if ended is None:
            await _remind(context, booking, now)
        elif await context.store.reservations.alter(booking, *ended, now, None) is not None:
            await announce.settle(context, booking.id)
    except Exception as error:
        # The others go on; this one is taken up again when its claim has run out.
        log.warning("due work failed", booking=booking.id, error=type(error).__name__)


async def _remind(context: Context, booking: Booking, now: datetime) -> None:
    due = due_notices(booking, now)
    given = [notice.name for notice in due if await _give(context, booking, notice)]
    reminded = msgspec.structs.replace(booking, reminded=(*booking.reminded, *given))
    await context.store.bookings.remember_notices(
        booking, given, next_due(reminded, now), finished=len(given) == len(due)
    )


async def _give(context: Context, booking: Booking, notice: Notice) -> bool:
    """Whether it was given; if not, it stays due."""
    if notice.channel == "event":
        event = BookingReminder(booking=await queries.booking_view(context, booking))
        context.publisher.publish(event, *map(rooms.user, booking.user_ids))
        return True
    own, other = booking.user_ids if notice.channel == "mail:client" else reversed(booking.user_ids)
    user = await context.store.users.by_id(own)
    if user is None or not may_sign_in(user):
        return True
    cards = await context.store.people.cards([other])
    return await context.mailer.deliver(mails.session_reminder(user.email, booking, cards[other].name, notice.hours))
