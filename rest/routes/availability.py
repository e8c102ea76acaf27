"""When a trainer works, and what of it can be booked."""

from __future__ import annotations

from domain import availability_answers as answers
from domain.commands import availability as commands
from domain.slot_answers import SlotList
from handlers import availability
from handlers.slots import list_slots
from rest.route import Route

ROWS = (
    Route(
        "GET",
        "/me/availability",
        availability.get_availability,
        "When I work",
        answer=answers.AvailabilityAnswer,
    ),
    Route(
        "PUT",
        "/me/availability",
        availability.set_availability,
        "Replace the week; bookings stay",
        command=commands.SetAvailability,
        answer=answers.AvailabilityAnswer,
    ),
    Route(
        "GET",
        "/me/availability/exceptions",
        availability.list_exceptions,
        "Days and hours off, by date",
        command=commands.ListExceptions,
        answer=answers.ExceptionPage,
    ),
    Route(
        "POST",
        "/me/availability/exceptions",
        availability.add_exception,
        "Take a day or some hours off; bookings stay",
        command=commands.AddException,
        answer=answers.ExceptionAnswer,
        status=201,
    ),
    Route(
        "DELETE",
        "/me/availability/exceptions/{id}",
        availability.remove_exception,
        "Work on that day after all",
        command=commands.RemoveException,
    ),
    Route(
        "GET",
        "/trainers/{id}/slots",
        list_slots,
        "Free slots, at most 62 days",
        command=commands.ListSlots,
        answer=SlotList,
        public=True,
        path_names={"id": "trainerId"},
    ),
)
