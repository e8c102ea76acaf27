"""When both parties are reminded of a booking, and when a booking wants attention next."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Literal, get_args

import msgspec

from domain.bookings import COMPLETION_GRACE, UPCOMING, Booking

ReminderChannel = Literal["event", "mail:client", "mail:trainer", "push:client", "push:trainer"]
REMINDER_CHANNELS: tuple[ReminderChannel, ...] = get_args(ReminderChannel)
# How long before the start, the first one first.
BEFORE = (timedelta(hours=24), timedelta(hours=1))


class ReminderNotice(msgspec.Struct, frozen=True):
    """One reminder by one channel; ``name`` is how the booking remembers that it was given."""

    hours: int
    channel: ReminderChannel

    @property
    def name(self) -> str:
        return f"{self.hours}h:{self.channel}"

    @property
    def is_mail(self) -> bool:
        return self.channel.startswith("mail:")

    @property
    def is_push(self) -> bool:
        return self.channel.startswith("push:")

    def parties(self, booking: Booking) -> tuple[str, str]:
        """The users: whom it is for, and whom that one meets."""
        client, trainer = booking.user_ids
        return (client, trainer) if self.channel.endswith(":client") else (trainer, client)


def due_notices(booking: Booking, now: datetime) -> tuple[ReminderNotice, ...]:
    """What is to be given now. One that is overdue when the next is due is not given any more."""
    return tuple(
        notice
        for begin, end, notices in _spans(booking)
        if begin <= now < end
        for notice in notices
        if notice.name not in booking.reminded
    )


def is_timely(booking: Booking, starts_at: datetime, hours: int, now: datetime) -> bool:
    """Whether a reminder of that start that was given, so long before it, may still be told: the session is as it was,
    and the next reminder is not due yet."""
    return (
        booking.starts_at == starts_at
        and booking.erased_party is None
        and any(now < end and notice.hours == hours for _, end, notices in _spans(booking) for notice in notices)
    )


def next_due(booking: Booking, now: datetime) -> datetime | None:
    """The instant from which on the booking wants attention; nothing for one that is over."""
    if booking.erased_party is not None and booking.status in UPCOMING and now <= booking.starts_at:
        return now
    if booking.status == "held":
        return booking.held_until
    if booking.status != "confirmed":
        return None
    wanted = [
        begin
        for begin, end, notices in _spans(booking)
        if end > now and any(notice.name not in booking.reminded for notice in notices)
    ]
    return min(wanted, default=booking.ends_at + COMPLETION_GRACE)


def _spans(booking: Booking) -> Iterator[tuple[datetime, datetime, tuple[ReminderNotice, ...]]]:
    """From when to when each reminder makes sense; one that was due before the time was agreed on does not."""
    if booking.status != "confirmed":
        return
    ends = [*(booking.starts_at - before for before in BEFORE[1:]), booking.starts_at]
    for before, end in zip(BEFORE, ends, strict=True):
        begin = booking.starts_at - before
        if begin > booking.arranged_at:
            hours = before // timedelta(hours=1)
            yield begin, end, tuple(ReminderNotice(hours, channel) for channel in REMINDER_CHANNELS)
