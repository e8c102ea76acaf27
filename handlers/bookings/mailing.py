"""Mails about bookings: each is a row that was committed with its change, or with the note that the reminder was given,
and goes when the mail server has it."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

from domain.accounts import User, may_sign_in
from domain.reminders import is_timely
from handlers import mails
from handlers.context import ReminderContext
from handlers.jobs import BOOKING_MAILS, REMINDER_MAILS, Job, Postponed
from handlers.mails import Addressee
from handlers.notifications.unsubscribing import unsubscribe_path
from store.work_queue import WorkRow


def booking_mails_job(context: ReminderContext) -> Job:
    """The lease is longer than the mail server may take."""
    queue = context.store.booking_mails.queue
    return Job(BOOKING_MAILS, queue, partial(_send, context), lease=timedelta(seconds=60), at_once=8)


def reminder_mails_job(context: ReminderContext) -> Job:
    """Many may be due in one moment: what is told of changes has places of its own. The lease as above."""
    queue = context.store.reminder_mails.queue
    return Job(REMINDER_MAILS, queue, partial(_remind, context), lease=timedelta(seconds=60), at_once=8)


async def _send(context: ReminderContext, claimed: WorkRow) -> None:
    mail = context.store.booking_mails.row(claimed)
    if mail.ends_at < context.now():
        # The mail server was away for so long that there is nothing to be told any more.
        return
    both = await _addressees(context, mail.user_id, mail.other_id, mail.time_zone)
    unsubscribe = await unsubscribe_path(context.store, context.secrets, mail.user_id, "booking")
    if both is None or unsubscribe is None:
        return
    own, other = both
    span = (mail.starts_at, mail.ends_at)
    known = mails.booking_changed(
        own,
        other,
        mail.action,
        mail.by,
        span,
        mail.previous,
        key=f"booking {mail.booking_id} {mail.version} {own.email}",
        invitation=mails.invitation_of(
            mail.booking_id, mail.version, mail.at, span, other, cancelled=mail.action == "cancelled"
        ),
        unsubscribe=unsubscribe,
    )
    if not await context.mailer.deliver(known):
        raise Postponed


async def _remind(context: ReminderContext, claimed: WorkRow) -> None:
    mail = context.store.reminder_mails.row(claimed)
    booking = await context.store.bookings.by_id(mail.booking_id)
    if booking is None or not is_timely(booking, mail.starts_at, mail.hours, context.now()):
        return
    other_id = next(one for one in booking.user_ids if one != mail.user_id)
    both = await _addressees(context, mail.user_id, other_id, booking.time_zone)
    unsubscribe = await unsubscribe_path(context.store, context.secrets, mail.user_id, "reminder")
    if both is None or unsubscribe is None:
        return
    if not await context.mailer.deliver(mails.session_reminder(*both, booking, mail.hours, unsubscribe)):
        raise Postponed


async def _addressees(
    context: ReminderContext, user_id: str, other_id: str, session_zone: str
) -> tuple[Addressee, Addressee] | None:
    """Who gets a mail and whom it is about; nothing for whoever may not sign in."""
    users = {user.id: user for user in await context.store.users.by_ids((user_id, other_id))}
    user = users.get(user_id)
    if user is None or not may_sign_in(user):
        return None
    cards = await context.store.people.cards([other_id])

    def of(one: User | None, name: str) -> Addressee:
        return Addressee(
            email=one.email if one else "",
            name=name,
            role=one.role if one else "client",
            time_zone=(one.time_zone if one else None) or session_zone,
        )

    other = cards.get(other_id)
    return of(user, ""), of(users.get(other_id), other.name if other else "")
