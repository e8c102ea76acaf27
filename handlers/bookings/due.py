"""What time does to bookings: reminders, completions, holds that run out. Any node may do it, each thing once."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

import msgspec
import structlog

from domain import mails, rooms
from domain.booking_changes import Change, Settlement, NOTHING, on_completion
from domain.booking_events import BookingReminder
from domain.bookings import COMPLETION_GRACE, Booking
from domain.instants import whole_milliseconds
from domain.reminders import Notice, due_notices, next_due
from handlers.bookings import announcing, views
from handlers.bookings.altering import next_version
from handlers.context import Context

# Longer than the mail server may take; a node that dies in between is followed by another after this time.
_CLAIM_LASTS = timedelta(seconds=60)


async def work(context: Context) -> int:
    """Do all that is due; answers how many bookings that concerned."""
    count = 0
    while True:
        now = whole_milliseconds(context.clock())
        booking = await context.store.bookings.claim_due(now, _CLAIM_LASTS)
        if booking is None:
            return count
        await _attend(context, booking, now)
        count += 1


async def _attend(context: Context, booking: Booking, now: datetime) -> None:
    ended = _ended(booking, now)
    if ended is not None:
        change, settlement = ended
        if await context.store.reservations.alter(booking, change, settlement, now, None) is not None:
            await announcing.settle(context, booking.id)
        return
    given = [notice.name for notice in due_notices(booking, now) if await _give(context, booking, notice)]
    reminded = msgspec.structs.replace(booking, reminded=(*booking.reminded, *given))
    await context.store.bookings.remember_notices(booking, given, next_due(reminded, now))


def _ended(booking: Booking, now: datetime) -> tuple[Change, Settlement] | None:
    """What became of a booking whose time is over; in the trainer's name, as nobody did it."""
    if booking.status == "confirmed" and now >= booking.ends_at + COMPLETION_GRACE:
        completed = next_version(booking, now, status="completed")
        change = Change(booking=completed, action="completed", by=None, sender_id=booking.trainer_user_id)
        return change, on_completion(booking, now)
    if booking.status == "held" and booking.held_until is not None and now >= booking.held_until:
        expired = next_version(booking, now, status="expired", held_until=None)
        change = Change(
            booking=expired, action="expired", by=None, sender_id=booking.trainer_user_id, was=booking.busy
        )
        return change, NOTHING
    return None


async def _give(context: Context, booking: Booking, notice: Notice) -> bool:
    """Whether the notice was given; if not, it stays due."""
    if notice.channel == "event":
        event = BookingReminder(booking=await views.booking_view(context, booking))
        context.publisher.publish(event, *map(rooms.user, booking.user_ids))
        return True
    user_id = booking.client_user_id if notice.channel == "mail:client" else booking.trainer_user_id
    return await _mail(context, booking, user_id)
