"""Handing pushes in: one row a device, so that no device, and neither of the two services, holds another up."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial

from domain.accounts import User, may_sign_in
from domain.bookings import Booking
from domain.notifications import not_before
from domain.reminders import ReminderNotice
from domain.times import to_wire
from handlers import pushes
from handlers.context import NotifyContext, ReminderContext
from handlers.jobs import PUSHES, Job, Postponed
from handlers.notifications.unread import badge_of, is_muted
from handlers.pushes import Push, push_id
from store.devices import PushDevice
from store.pushes import DuePush, PendingPush, Provider
from store.work_queue import WorkRow


def push_jobs(context: NotifyContext) -> tuple[Job, ...]:
    """One a service: the other's goes on while it hangs."""
    queues = context.store.pushes.queues
    return tuple(
        Job(PUSHES[provider], queue, partial(_send, context, provider), lease=timedelta(seconds=40), at_once=16)
        for provider, queue in queues.items()
        if provider in context.pusher.providers
    )


async def reminders(context: ReminderContext, booking: Booking, notice: ReminderNotice) -> list[DuePush]:
    """Of a session, on the devices of whoever wants it there: past quiet hours, unless it would have begun by then."""
    user_id, now = notice.parties(booking)[0], context.now()
    wanted = await context.store.notification_preferences.of(user_id)
    user = await context.store.users.by_id(user_id)
    if user is None or not context.pusher.providers or not wanted.wants("reminder", "push"):
        return []
    starts_at = to_wire(booking.starts_at)
    push = PendingPush(
        user_id=user_id,
        device="",
        key=f"booking:{booking.id}",
        # A later start, and of one start the later reminder.
        order=int(booking.starts_at.timestamp()) * 100 - notice.hours,
        kind="reminder",
        about=booking.id,
        subject=f"{starts_at} {notice.hours}",
        ends_at=booking.starts_at,
    )
    at = not_before(wanted, user.time_zone, now, booking.starts_at)
    return [DuePush(device, push, at) for device in await context.store.devices.of(user_id)]


async def _send(context: NotifyContext, provider: Provider, claimed: WorkRow) -> None:
    pending, now = context.store.pushes.row(claimed), context.now()
    device = await context.store.devices.by_id(pending.device)
    if device is None or device.user_id != pending.user_id or pending.ends_at <= now:
        return
    user = await context.store.users.by_id(pending.user_id)
    if user is None or not may_sign_in(user):
        return
    if not await _is_signed_in(context, device, user, now):
        await context.store.devices.drop(device)
        return
    push = await _written(context, pending, device, user, now)
    if push is None:
        return
    outcome = await context.pusher.deliver(provider, push, device.updated_at)
    if outcome == "gone":
        await context.store.devices.drop(device)
    elif outcome == "later":
        raise Postponed


async def _is_signed_in(context: NotifyContext, device: PushDevice, user: User, now: datetime) -> bool:
    """Whether the session lives that registered it: a phone that signed out shows nothing any more."""
    session = await context.store.sessions.by_id(device.session_id)
    return (
        session is not None
        and session.revoked_at is None
        and session.expires_at > now
        and session.password_changed_at == user.password_changed_at
    )


async def _written(
    context: NotifyContext, pending: PendingPush, device: PushDevice, user: User, now: datetime
) -> Push | None:
    """Nothing where there is nothing to be said any more."""
    if pending.kind == "reminder":
        return await _reminder(context, pending, device, user)
    side = await context.store.undelivered.side(pending.about)
    if side is None:
        return None
    record = side.record
    badge = await badge_of(context, record, now)
    data = {"type": pending.kind, "conversationId": record.conversation_id, "badge": str(badge)}
    identity = push_id(device.id, device.token, pending.key, pending.order)
    if pending.kind == "withdrawal":
        return Push(
            id=identity, token=device.token, collapse_key=pending.key, badge=badge,
            data={**data, "id": str(identity)}, ends_at=pending.ends_at,
        )  # fmt: skip
    message = await context.store.log.read.message(pending.subject)
    if message is None or message.deleted_at is not None or side.received >= message.seq or is_muted(record, now):
        return None
    cards = await context.store.people.cards([message.sender_id])
    sender = cards.get(message.sender_id)
    data |= {"id": str(identity), "messageId": message.id, "seq": str(message.seq)}
    if message.booking is not None:
        data["bookingId"] = message.booking.id
    return Push(
        id=identity,
        token=device.token,
        collapse_key=pending.key,
        title=pushes.title_of(sender.name if sender else ""),
        body=pushes.words_of(message, user.time_zone),
        badge=badge,
        thread=record.conversation_id,
        data=data,
        ends_at=pending.ends_at,
    )


async def _reminder(context: NotifyContext, pending: PendingPush, device: PushDevice, user: User) -> Push | None:
    booking = await context.store.bookings.by_id(pending.about)
    starts_at, _, hours = pending.subject.partition(" ")
    if booking is None or booking.status != "confirmed" or to_wire(booking.starts_at) != starts_at:
        return None
    other_id = next(one for one in booking.user_ids if one != user.id)
    other = (await context.store.people.cards([other_id])).get(other_id)
    identity = push_id(device.id, device.token, pending.key, pending.order)
    return Push(
        id=identity,
        token=device.token,
        collapse_key=pending.key,
        title=pushes.title_of(other.name if other else ""),
        body=pushes.reminder_words(booking, int(hours), user.time_zone),
        thread=booking.conversation_id,
        data={"type": "reminder", "id": str(identity), "bookingId": booking.id, "startsAt": starts_at},
        ends_at=pending.ends_at,
    )
