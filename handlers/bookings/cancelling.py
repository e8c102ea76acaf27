"""Cancelling, and what it would cost."""

from __future__ import annotations

from datetime import datetime

from domain.booking_answers import CancellationPreview
from domain.booking_changes import Change, Settlement, on_cancellation
from domain.bookings import Booking, Party, next_version
from domain.cancelling import cancellation
from domain.commands.bookings import CancelBooking, PreviewCancellation
from domain.instants import to_wire, whole_milliseconds
from handlers.actor import Actor
from handlers.bookings.altering import alter
from handlers.bookings.finding import own_booking
from handlers.context import Context
from handlers.idempotent_commit import idempotent_booking
from store.idempotency import Receipt


async def preview_cancellation(context: Context, actor: Actor, command: PreviewCancellation) -> CancellationPreview:
    """What cancelling now would cost the actor; raises ``conflict`` when it is too late for that."""
    booking, by = await own_booking(context, actor, command.booking_id)
    found = cancellation(booking, by, whole_milliseconds(context.clock()))
    return CancellationPreview(
        free=found.free,
        credit_returned=found.free and booking.paid_with == "credit",
        deadline=to_wire(found.deadline),
    )


@idempotent_booking
async def cancel_booking(context: Context, actor: Actor, command: CancelBooking, receipt: Receipt | None) -> Booking:
    """By either party or an administrator, until the start; a late one by the client forfeits the credit."""

    async def decide(booking: Booking, by: Party, now: datetime) -> tuple[Change, Settlement]:
        free = cancellation(booking, by, now).free
        cancelled = next_version(booking, now, status="cancelled", cancelled_by=by, reason=command.reason)
        change = Change(booking=cancelled, action="cancelled", by=by, sender_id=actor.user_id, was=booking.busy)
        return change, on_cancellation(booking, free=free, now=now)

    return await alter(context, actor, command.booking_id, decide, receipt)
