"""Moving a booking to another slot: new claims and the old ones released in one commit."""

from __future__ import annotations

from datetime import datetime

from domain.booking_changes import Change, Settlement, on_moving
from domain.bookings import Booking, Party, next_version
from domain.cancelling import require_movable
from domain.commands.bookings import RescheduleBooking
from domain.errors import Code, DomainError
from handlers.actor import Actor
from handlers.bookings.altering import alter
from handlers.bookings.offering import not_offered, offered_slot
from handlers.context import Context
from handlers.idempotent_commit import idempotent_booking
from store.idempotency import Receipt


@idempotent_booking
async def reschedule_booking(
    context: Context, actor: Actor, command: RescheduleBooking, receipt: Receipt | None
) -> Booking:
    """By the client while that is free, by the trainer until the start; the policy agreed on stays.

    Raises ``policy_window_passed``, ``slot_taken``, ``slot_unavailable`` or ``trial_unavailable``.
    """

    async def decide(booking: Booking, by: Party, now: datetime) -> tuple[Change, Settlement]:
        require_movable(booking, by, now)
        if by == "client" and await context.store.people.reachable_profile("trainer", booking.trainer_id) is None:
            raise not_offered()
        slot, schedule = await offered_slot(context, booking.trainer_id, command.starts_at, now, moving=booking.id)
        if slot.starts_at == booking.starts_at and slot.ends_at == booking.ends_at:
            raise DomainError(Code.CONFLICT, "The booking is at this time already.")
        pricing = await context.store.pricings.of(booking.trainer_id)
        moved = next_version(
            booking,
            now,
            starts_at=slot.starts_at,
            ends_at=slot.ends_at,
            time_zone=schedule.time_zone,
            pause=schedule.pause,
            arranged_at=now,
            reminded=(),
        )
        change = Change(booking=moved, action="rescheduled", by=by, sender_id=actor.user_id, was=booking.busy)
        return change, on_moving(moved, pricing.weekly_trial_limit)

    return await alter(context, actor, command.booking_id, decide, receipt)
