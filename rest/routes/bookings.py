"""Bookings: the same handlers as the socket's; and the calendar feed."""

from __future__ import annotations

from domain.wire import bookings as wire
from handlers.bookings import calendar, queries
from handlers.bookings import commands as bookings
from handlers.payments import holds
from rest.downloads import document_handler
from rest.limits import CALENDAR
from rest.route import Route

_NAMES = {"id": "bookingId"}

ROWS = (
    Route(
        "POST",
        "/bookings",
        holds.book,
        "Book a slot",
        command=wire.CreateBooking,
        answer=wire.BookingAnswer,
        status=201,
        needs_key=True,
    ),
    Route(
        "GET",
        "/bookings",
        queries.list_bookings,
        "One's own bookings, the earliest start first, or what changed of them",
        command=wire.ListBookings,
        answer=wire.BookingPage,
        bulky=True,
    ),
    Route(
        "GET",
        "/bookings/{id}",
        queries.get_booking,
        "A booking",
        command=wire.GetBooking,
        answer=wire.BookingAnswer,
        path_names=_NAMES,
    ),
    Route(
        "GET",
        "/bookings/{id}/cancellation",
        bookings.preview_cancellation,
        "What cancelling now would cost",
        command=wire.PreviewCancellation,
        answer=wire.CancellationPreview,
        path_names=_NAMES,
    ),
    Route(
        "POST",
        "/bookings/{id}/cancel",
        bookings.cancel_booking,
        "Cancel a booking",
        command=wire.CancelBooking,
        answer=wire.BookingAnswer,
        path_names=_NAMES,
    ),
    Route(
        "POST",
        "/bookings/{id}/reschedule",
        bookings.reschedule_booking,
        "Move a booking to another slot",
        command=wire.RescheduleBooking,
        answer=wire.BookingAnswer,
        path_names=_NAMES,
    ),
    Route(
        "POST",
        "/bookings/{id}/no-show",
        bookings.report_no_show,
        "The client did not come",
        command=wire.ReportNoShow,
        answer=wire.BookingAnswer,
        path_names=_NAMES,
    ),
    Route(
        "POST",
        "/me/calendar",
        calendar.open_calendar,
        "A secret feed for calendar programs",
        command=wire.OpenCalendar,
        answer=wire.CalendarAnswer,
        status=201,
    ),
    Route("GET", "/me/calendar", calendar.get_calendar, "Whether I have a feed", answer=wire.CalendarState),
    Route("DELETE", "/me/calendar", calendar.close_calendar, "End the feed"),
    Route(
        "GET",
        "/calendar/{token}.ics",
        calendar.read_calendar,
        "The feed, for calendar programs",
        command=wire.ReadCalendar,
        answer=bytes,
        public=True,
        adapter=document_handler,
        produces="text/calendar",
        rate=CALENDAR,
        bulky=True,
    ),
)
