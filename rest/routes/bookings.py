"""Bookings: the same handlers as the socket's.

The calendar feed.
"""

from __future__ import annotations

from domain.wire import bookings as answers
from domain.wire import bookings as commands
from domain.wire.bookings import CalendarAnswer, ReadCalendar
from handlers.bookings import calendar, queries
from handlers.bookings import commands as cancelling
from handlers.bookings import commands as creating
from handlers.bookings import commands as no_show
from handlers.bookings import commands as rescheduling
from rest.downloads import document_handler
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
        queries.list_bookings,
        "One's own bookings, the earliest start first",
        command=commands.ListBookings,
        answer=answers.BookingPage,
        bulky=True,
    ),
    Route(
        "GET",
        "/bookings/{id}",
        queries.get_booking,
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


CALENDAR_ROWS = (
    Route(
        "POST",
        "/me/calendar",
        calendar.open_calendar,
        "A secret feed for calendar programs; the one before it ends",
        answer=CalendarAnswer,
        status=201,
    ),
    Route("DELETE", "/me/calendar", calendar.close_calendar, "End the feed"),
    Route(
        "GET",
        "/calendar/{token}.ics",
        calendar.read_calendar,
        "The feed, for calendar programs",
        command=ReadCalendar,
        answer=bytes,
        public=True,
        adapter=document_handler,
        produces="text/calendar",
        bulky=True,
    ),
)
