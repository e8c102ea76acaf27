"""``/bookings``."""

from __future__ import annotations

from domain.commands import bookings as commands
from handlers import slot_watching
from handlers.bookings import cancelling, creating, reading, rescheduling
from server.sockets.rows import Rate, Row

_BOOKING = Rate(2, 20)

ROWS: tuple[Row, ...] = (
    Row("booking:create", commands.CreateBooking, creating.create_booking, _BOOKING),
    Row("booking:cancel", commands.CancelBooking, cancelling.cancel_booking, _BOOKING),
    Row("booking:reschedule", commands.RescheduleBooking, rescheduling.reschedule_booking, _BOOKING),
    Row("booking:list", commands.ListBookings, reading.list_bookings, bulky=True),
    Row("slots:watch", commands.WatchSlots, slot_watching.watch, bulky=True),
    Row("slots:unwatch", commands.UnwatchSlots, slot_watching.unwatch),
)
