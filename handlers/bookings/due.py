"""What time does to bookings: reminders, completions, holds that run out. Any node may do it, each thing once.

Nothing here waits for a mail server: the mails of reminders are rows of their own (``mailing``).
"""

from __future__ import annotations

from datetime import datetime
from functools import partial

import msgspec

from domain import rooms
from domain.booking_changes import ending
from domain.bookings import Booking
from domain.reminders import ReminderNotice, due_notices, next_due
from domain.wire.events import BookingReminder
from handlers.bookings import outbox, queries
from handlers.context import ReminderContext
from handlers.jobs import DUE_BOOKINGS, REMINDER_MAILS, Job, Postponed
from handlers.notifications.pushing import remind
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
    due = due_notices(booking, now)
    for notice in due:
        await _give(context, booking, notice)
    reminded = msgspec.structs.replace(booking, reminded=(*booking.reminded, *(notice.name for notice in due)))
    if not await context.store.booking_transactions.remind(booking, due, now, next_due(reminded, now)):
        # What changed it gave it an instant of its own, which this leaves alone; else it is looked at again.
        raise Postponed
    context.wake_ups.wake(REMINDER_MAILS)


async def _give(context: ReminderContext, booking: Booking, notice: ReminderNotice) -> None:
    """All but the mails, which are committed with the note that they were given."""
    if notice.channel == "event":
        event = BookingReminder(booking=await queries.booking_view(context, booking))
        context.publisher.publish(event, *map(rooms.user, booking.user_ids))
    elif not notice.is_mail:
        await remind(context, notice.parties(booking)[0], booking, notice.hours)
