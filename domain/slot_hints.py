"""What nodes tell each other when a trainer's slots may have changed: where to look, never what was seen."""

from __future__ import annotations

import msgspec

from domain.schedules import Schedule
from domain.slots import Busy


class BookingHint(msgspec.Struct, frozen=True, tag="booking"):
    """A booking gave these times up or took them."""

    spans: tuple[Busy, ...]


class ScheduleHint(msgspec.Struct, frozen=True, kw_only=True, tag="schedule"):
    """``before``: what was offered until now. ``whole``: all of it comes or goes, whatever is offered now."""

    before: Schedule | None
    whole: bool = False


SlotHint = BookingHint | ScheduleHint
