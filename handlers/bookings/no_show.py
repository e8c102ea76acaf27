"""A client who did not come."""

from __future__ import annotations

from datetime import datetime

from domain.booking_changes import Change, Settlement, on_no_show
from domain.bookings import Booking, Party, next_version, require_no_show
from domain.commands.bookings import ReportNoShow
from handlers.actor import Actor
from handlers.bookings.altering import alter
from handlers.context import Context
from handlers.idempotent_commit import idempotent_booking
from store.idempotency import Receipt


@idempotent_booking
async def report_no_show(context: Context, actor: Actor, command: ReportNoShow, receipt: Receipt | None) -> Booking:
    """By the trainer, from the start to 24 h after the end; nothing comes back to the client."""

    async def decide(booking: Booking, by: Party, now: datetime) -> tuple[Change, Settlement]:
        require_no_show(booking, by, now)
        missed = next_version(booking, now, status="no_show")
        return Change(booking=missed, action="no_show", by=by, sender_id=actor.user_id), on_no_show(booking, now)

    return await alter(context, actor, command.booking_id, decide, receipt)
