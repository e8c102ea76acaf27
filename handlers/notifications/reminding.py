"""Reminders of sessions on the devices of whoever wants them there."""

from __future__ import annotations

from domain.bookings import Booking
from domain.notifications import not_before
from domain.times import to_wire
from handlers.context import ReminderContext
from handlers.jobs import PUSHES
from store.pushes import PendingPush, provider_of


async def remind(context: ReminderContext, user_id: str, booking: Booking, hours: int) -> None:
    """Past quiet hours, unless the session would have begun by then."""
    wanted, now = await context.store.notification_preferences.of(user_id), context.now()
    user = await context.store.users.by_id(user_id)
    if user is None or not context.pusher.providers or not wanted.wants("reminder", "push"):
        return
    starts_at = to_wire(booking.starts_at)
    push = PendingPush(
        user_id=user_id,
        device="",
        key=f"booking:{booking.id}",
        # A later start, and of one start the later reminder.
        order=int(booking.starts_at.timestamp()) * 100 - hours,
        kind="reminder",
        about=booking.id,
        subject=f"{starts_at} {hours}",
        ends_at=booking.starts_at,
    )
    at = not_before(wanted, user.time_zone, now, booking.starts_at)
    for device in await context.store.devices.of(user_id):
        await context.store.pushes.add(device, push, now, at)
        context.wake_ups.wake(PUSHES[provider_of(device.platform)])
