"""When a trainer works, and what of it can be booked."""

from __future__ import annotations

from domain.wire import availability as wire
from handlers.slots import schedule
from handlers.slots.free import list_slots
from rest.limits import SLOTS
from rest.route import Route

ROWS = (
    Route(
        "GET",
        "/me/availability",
        schedule.get_availability,
        "When I work",
        answer=wire.AvailabilityAnswer,
    ),
    Route(
        "PUT",
        "/me/availability",
        schedule.set_availability,
        "Replace the week; bookings stay",
        command=wire.SetAvailability,
        answer=wire.AvailabilityAnswer,
    ),
    Route(
        "GET",
        "/me/availability/exceptions",
        schedule.list_exceptions,
        "Days and hours off, by date",
        command=wire.ListExceptions,
        answer=wire.ExceptionPage,
    ),
    Route(
        "POST",
        "/me/availability/exceptions",
        schedule.add_exception,
        "Take a day or some hours off; bookings stay",
        command=wire.AddException,
        answer=wire.ExceptionAnswer,
        status=201,
    ),
    Route(
        "DELETE",
        "/me/availability/exceptions/{id}",
        schedule.remove_exception,
        "Work on that day after all",
        command=wire.RemoveException,
    ),
    Route(
        "GET",
        "/trainers/{id}/slots",
        list_slots,
        "Free slots, at most 62 days",
        command=wire.ListSlots,
        answer=wire.SlotList,
        public=True,
        path_names={"id": "trainerId"},
        rate=SLOTS,
    ),
)
