"""What time does to bookings: reminders, completions, holds that run out. Any node may do it, each thing once."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial

import msgspec

from domain import rooms
from domain.booking_changes import ending
from domain.bookings import Booking
from domain.reminders import ReminderNotice, due_notices, next_due
from domain.wire.events import BookingReminder
from handlers import mails
from handlers.bookings import outbox, queries
from handlers.bookings.mailing import addressees
from handlers.context import ReminderContext
from handlers.jobs import DUE_BOOKINGS, Job, Postponed
from handlers.notifications.pushing import remind
from handlers.notifications.unsubscribing import unsubscribe_path
from store.work_queue import WorkRow


def due_bookings_job(context: ReminderContext) -> Job:
    """Whatever time does to bookings. The lease is longer than the mail server may take."""
    return Job(
        DUE_BOOKINGS, context.store.bookings.queue, partial(_process, context), lease=timedelta(seconds=60), at_once=16
    )


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
    given = [notice.name for notice in due if await _give(context, booking, notice)]
    if len(given) < len(due):
        await context.store.bookings.remember_notices(booking, given)
        raise Postponed
    reminded = msgspec.structs.replace(booking, reminded=(*booking.reminded, *given))
    await context.store.bookings.remember_notices(booking, given)
    await context.store.bookings.attended(booking, next_due(reminded, now))


async def _give(context: ReminderContext, booking: Booking, notice: ReminderNotice) -> bool:
    """Whether it was given; if not, it stays due."""
    if notice.channel == "event":
        event = BookingReminder(booking=await queries.booking_view(context, booking))
        context.publisher.publish(event, *map(rooms.user, booking.user_ids))
        return True
    client, trainer = booking.user_ids
    pair = (client, trainer) if notice.channel.endswith(":client") else (trainer, client)
    if notice.channel.startswith("push:"):
        await remind(context, pair[0], booking, notice.hours)
        return True
    both = await addressees(context, *pair, booking.time_zone)
    unsubscribe = await unsubscribe_path(context.store, context.secrets, pair[0], "reminder")
    if both is None or unsubscribe is None:
        return True
    return await context.mailer.deliver(mails.session_reminder(*both, booking, notice.hours, unsubscribe))
