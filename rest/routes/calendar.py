"""The calendar feed."""

from __future__ import annotations

from domain.calendar_feed import CalendarAnswer
from domain.commands.calendar import ReadCalendar
from handlers import calendar
from rest.documents import document_handler
from rest.route import Route

ROWS = (
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
    ),
)
