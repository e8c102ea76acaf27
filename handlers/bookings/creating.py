"""Booking a slot."""

from __future__ import annotations

from datetime import datetime

from domain.booking_changes import Change, on_booking
from domain.bookings import Booking
from domain.commands.bookings import CreateBooking
from domain.conversations import Card
from domain.errors import Code, DomainError, not_found
from domain.instants import whole_milliseconds
from domain.pricing import Pricing
from domain.schedules import Schedule
from domain.slots import Slot
from handlers import access
from handlers.actor import Actor
from handlers.bookings.offering import offered_slot
from handlers.context import Context
from handlers.idempotent_commit import idempotent_booking
from store.idempotency import Receipt


@idempotent_booking
async def create_booking(context: Context, actor: Actor, command: CreateBooking, receipt: Receipt | None) -> Booking:
    """By a client. Raises ``slot_taken``, ``slot_unavailable``, ``insufficient_credit`` or ``trial_unavailable``."""
    access.require_role(actor, "client")
    trainer = await context.store.people.reachable_profile("trainer", command.trainer_id)
    if trainer is None:
        raise not_found("trainer")
    pricing = await context.store.pricings.of(command.trainer_id)
    _require_payable(command, pricing)
    now = whole_milliseconds(context.clock())
    slot, schedule = await offered_slot(context, command.trainer_id, command.starts_at, now)
    booking = _new_booking(context, actor, command, trainer, slot, schedule, pricing, now)
    change = Change(booking=booking, action="created", by="client", sender_id=actor.user_id)
    settlement = on_booking(booking, pricing.weekly_trial_limit)
    return (await context.store.reservations.book(change, settlement, now, receipt)).booking


def _require_payable(command: CreateBooking, pricing: Pricing) -> None:
    if command.pay_with == "card":
        raise DomainError(Code.CONFLICT, "The trainer does not take cards yet.")
    if command.pay_with == "trial" and not pricing.free_trial:
        raise DomainError(Code.TRIAL_UNAVAILABLE, "The trainer offers no free trial.")


def _new_booking(
    context: Context,
    actor: Actor,
    command: CreateBooking,
    trainer: Card,
    slot: Slot,
    schedule: Schedule,
    pricing: Pricing,
    now: datetime,
) -> Booking:
    return Booking(
        id=context.store.bookings.new_id(),
        trainer_id=command.trainer_id,
        client_id=actor.profile_id,
        trainer_user_id=trainer.user_id,
        client_user_id=actor.user_id,
        # Known with the commit, which opens it if there is none.
        conversation_id="",
        starts_at=slot.starts_at,
        ends_at=slot.ends_at,
        time_zone=schedule.time_zone,
        pause=schedule.pause,
        cancellation_policy=pricing.cancellation_policy,
        status="confirmed",
        paid_with=command.pay_with,
        note=command.note,
        arranged_at=now,
        created_at=now,
        updated_at=now,
    )
