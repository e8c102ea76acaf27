"""Bookings: the same handlers as the socket's."""

from __future__ import annotations

from domain import booking_answers as answers
from domain.commands import bookings as commands
from handlers.bookings import cancelling, creating, no_show, reading, rescheduling
from rest.route import Route

_NAMES = {"id": "bookingId"}

ROWS = (
    Route(
        "POST",
        "/bookings",
        creating.create_booking,
        "Book a slot",
        command=commands.CreateBooking,
        answer=answers.BookingAnswer,
        status=201,
        needs_key=True,
    ),
    Route(
        "GET",
        "/bookings",
        reading.list_bookings,
        "One's own bookings, the earliest start first",
        command=commands.ListBookings,
        answer=answers.BookingPage,
    ),
    Route(
        "GET",
        "/bookings/{id}",
        reading.get_booking,
        "A booking",
        command=commands.GetBooking,
        answer=answers.BookingAnswer,
        path_names=_NAMES,
    ),
    Route(
        "GET",
        "/bookings/{id}/cancellation",
        cancelling.preview_cancellation,
        "What cancelling now would cost",
        command=commands.PreviewCancellation,
        answer=answers.CancellationPreview,
        path_names=_NAMES,
    ),
    Route(
        "POST",
        "/bookings/{id}/cancel",
        cancelling.cancel_booking,
        "Cancel a booking",
        command=commands.CancelBooking,
        answer=answers.BookingAnswer,
        path_names=_NAMES,
    ),
    Route(
        "POST",
        "/bookings/{id}/reschedule",
        rescheduling.reschedule_booking,
        "Move a booking to another slot",
        command=commands.RescheduleBooking,
        answer=answers.BookingAnswer,
        path_names=_NAMES,
    ),
    Route(
        "POST",
        "/bookings/{id}/no-show",
        no_show.report_no_show,
        "The client did not come",
        command=commands.ReportNoShow,
        answer=answers.BookingAnswer,
        path_names=_NAMES,
    ),
)
