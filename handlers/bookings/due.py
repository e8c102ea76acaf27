"""What time does to bookings: reminders, completions, holds that run out. Any node may do it, each thing once.

Nothing here waits for a mail server or for Apple and Google: mails and pushes of reminders are rows of their own
(``mailing``, ``pushing``).
"""

from __future__ import annotations

from datetime import datetime
from functools import partial

import msgspec

from domain import rooms
from domain.booking_changes import ending
from domain.bookings import Booking
from domain.reminders import due_notices, next_due
from domain.wire.events import BookingReminder
from handlers.bookings import outbox, queries
from handlers.context import ReminderContext
from handlers.jobs import DUE_BOOKINGS, PUSHES, REMINDER_MAILS, Job, Postponed
from handlers.notifications.pushing import reminders
from store.pushes import provider_of
from store.work_queue import WorkRow


def due_bookings_job(context: ReminderContext) -> Job:
    """Whatever time does to bookings."""
    return Job(DUE_BOOKINGS, context.store.bookings.queue, partial(_process, context), at_once=16)


async def _process(context: ReminderContext, claimed: WorkRow) -> None:
    booking = context.store.bookings.row(claimed)
    now = context.now()
    ended = ending(booking, now)
    if ended is None:
        await _remind(context, booking, now)
    elif (change := await context.store.booking_transactions.alter(booking, *ended, now, None)) is not None:
        await outbox.publish_pending(context, booking.id, change.booking.version)


async def _remind(context: ReminderContext, booking: Booking, now: datetime) -> None:
    """Told by whoever commits that it is: a retry after a failure would tell it again. Only the event can then be lost,
    with a node that dies in that moment; mails and pushes are committed as rows."""
    due = due_notices(booking, now)
    told = [notice for notice in due if notice.channel == "event"]
    event = BookingReminder(booking=await queries.booking_view(context, booking)) if told else None
    pushes = [push for notice in due if notice.is_push for push in await reminders(context, booking, notice)]
    reminded = msgspec.structs.replace(booking, reminded=(*booking.reminded, *(notice.name for notice in due)))
    attention = next_due(reminded, now)
    if not await context.store.booking_transactions.remind(booking, due, pushes, now, attention):
        # What changed it gave it an instant of its own, which this leaves alone; else it is looked at again.
        raise Postponed
    if event is not None:
        context.publisher.publish(event, *map(rooms.user, booking.user_ids))
    context.wake_ups.wake(REMINDER_MAILS)
    for provider in {provider_of(push.device.platform) for push in pushes}:
        context.wake_ups.wake(PUSHES[provider])
