"""Booking a slot, cancelling, rescheduling, reporting a no-show: load, decide, commit.

The start asked for is checked against the same offer that the lists show; a change is decided again when the booking
was changed meanwhile.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime

from domain import slots
from domain.availability import Schedule
from domain.booking_changes import BookingChange, Settlement, on_booking, on_cancellation, on_moving, on_no_show
from domain.bookings import (
    Booking,
    Party,
    cancellation,
    next_version,
    require_movable,
    require_no_show,
    returns_credit,
)
from domain.catalogue import Pricing
from domain.conversations import UserSummary
from domain.errors import Code, DomainError
from domain.moderation import Act
from domain.slots import Slot
from domain.times import from_wire, to_wire
from domain.wire.bookings import (
    CancelBooking,
    CancellationPreview,
    CreateBooking,
    PreviewCancellation,
    ReportNoShow,
    RescheduleBooking,
)
from handlers import access
from handlers.access import Actor
from handlers.audit import audit_writer
from handlers.bookings.keyed import idempotent_booking
from handlers.bookings.queries import own_booking
from handlers.context import PublishContext
from store.audit import AuditWriter
from store.failures import ChangedMeanwhile, decided_anew
from store.idempotency import Claim

# What comes of a booking, decided anew for each version of it.
Decide = Callable[[Booking, Party, datetime], Awaitable[tuple[BookingChange, Settlement]]]
# The event that books; its keys are shared with what is paid by card.
CREATE = "booking:create"


@decided_anew
async def alter(
    context: PublishContext, actor: Actor, booking_id: str, decide: Decide, claim: Claim | None
) -> Booking:
    """The booking as committed; raises what ``decide`` raises, ``slot_taken`` and ``own_conflict``."""
    booking, by = await own_booking(context, actor, booking_id)
    now = context.now()
    change, settlement = await decide(booking, by, now)
    committed = await context.store.booking_transactions.alter(
        booking, change, settlement, now, claim, _audit_writer(context, actor, change) if by == "admin" else None
    )
    if committed is None:
        raise ChangedMeanwhile
    return committed.booking


def _audit_writer(context: PublishContext, actor: Actor, change: BookingChange) -> AuditWriter:
    """An administrator's act is recorded with it."""
    action: Act = "booking.cancel" if change.action == "cancelled" else "booking.reschedule"
    return audit_writer(context, actor, action, "booking", change.booking.id, change.booking.reason)


async def offered_slot(
    context: PublishContext, trainer_id: str, starts_at: str, now: datetime, *, moving: str | None = None
) -> tuple[Slot, Schedule]:
    """The slot that begins at ``starts_at``.

    Raises ``slot_unavailable`` or, if only a booking is in the way, ``slot_taken``.
    ``moving``: the booking that is to be there, which is not in its own way.
    """
    start = from_wire(starts_at, "startsAt")
    schedule = await context.store.availability.schedule(trainer_id, now)
    slot = slots.at(schedule, start) if schedule is not None else None
    if schedule is None or slot is None or not slots.is_open(slot, schedule.time_zone, now, schedule.notice_mins):
        raise not_offered()
    busy = await context.store.bookings.busy(trainer_id, slot.starts_at, slot.ends_at, exclude=moving)
    if slots.is_taken(slot, schedule.break_mins, busy):
        raise DomainError(Code.SLOT_TAKEN, "Somebody else has booked this time.")
    return slot, schedule


def not_offered() -> DomainError:
    return DomainError(Code.SLOT_UNAVAILABLE, "The trainer does not offer this time.")


@idempotent_booking(CREATE)
async def create_booking(context: PublishContext, actor: Actor, command: CreateBooking, claim: Claim | None) -> Booking:
    """By a client, with a credit or a trial (``handlers/payments/holds.py`` has cards). Raises ``slot_taken``,
    ``own_conflict``, ``slot_unavailable``, ``insufficient_credit`` or ``trial_unavailable``."""
    access.require_role(actor, "client")
    trainer = await access.trainer_to_deal_with(context, actor, command.trainer_id)
    pricing = await context.store.pricings.of(command.trainer_id)
    _require_payable(command, pricing)
    now = context.now()
    slot, schedule = await offered_slot(context, command.trainer_id, command.starts_at, now)
    booking = new_booking(context, actor, command, trainer, slot, schedule, pricing, now)
    change = BookingChange(booking=booking, action="created", by="client", sender_id=actor.user_id)
    settlement = on_booking(booking, pricing.weekly_trial_limit)
    return (await context.store.booking_transactions.book(change, settlement, now, claim)).booking


def _require_payable(command: CreateBooking, pricing: Pricing) -> None:
    if command.pay_with == "trial" and not pricing.free_trial:
        raise DomainError(Code.TRIAL_UNAVAILABLE, "The trainer offers no free trial.")


def new_booking(
    context: PublishContext,
    actor: Actor,
    command: CreateBooking,
    trainer: UserSummary,
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
        break_mins=schedule.break_mins,
        cancellation_policy=pricing.cancellation_policy,
        status="confirmed",
        paid_with=command.pay_with,
        note=command.note,
        arranged_at=now,
        created_at=now,
        updated_at=now,
    )


async def preview_cancellation(
    context: PublishContext, actor: Actor, command: PreviewCancellation
) -> CancellationPreview:
    """What cancelling now would cost the actor; raises ``conflict`` when it is too late for that."""
    booking, by = await own_booking(context, actor, command.booking_id)
    found = cancellation(booking, by, context.now())
    returned = found.free and returns_credit(booking)
    return CancellationPreview(
        free=found.free,
        # Not one whose money has gone: it goes with it.
        credit_returned=returned and not await context.store.owed_credits.is_owed(booking),
        deadline=to_wire(found.deadline),
    )


@idempotent_booking("booking:cancel")
async def cancel_booking(context: PublishContext, actor: Actor, command: CancelBooking, claim: Claim | None) -> Booking:
    """By either party or an administrator, until the start; a late one by the client forfeits the credit."""

    async def decide(booking: Booking, by: Party, now: datetime) -> tuple[BookingChange, Settlement]:
        free = cancellation(booking, by, now).free
        cancelled = next_version(booking, now, status="cancelled", cancelled_by=by, reason=command.reason)
        change = BookingChange(booking=cancelled, action="cancelled", by=by, sender_id=actor.user_id, was=booking.busy)
        return change, on_cancellation(booking, free=free, now=now)

    return await alter(context, actor, command.booking_id, decide, claim)


@idempotent_booking("booking:reschedule")
async def reschedule_booking(
    context: PublishContext, actor: Actor, command: RescheduleBooking, claim: Claim | None
) -> Booking:
    """By the client while that is free, by the trainer until the start; the policy agreed on stays.

    Raises ``policy_window_passed``, ``slot_taken``, ``own_conflict``, ``slot_unavailable`` or ``trial_unavailable``.
    """

    async def decide(booking: Booking, by: Party, now: datetime) -> tuple[BookingChange, Settlement]:
        require_movable(booking, by, now)
        if by == "client" and await context.store.people.reachable_profile("trainer", booking.trainer_id) is None:
            raise not_offered()
        if by != "admin":
            await access.require_no_block(context, *booking.user_ids)
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
            break_mins=schedule.break_mins,
            arranged_at=now,
            reminded=(),
        )
        change = BookingChange(booking=moved, action="rescheduled", by=by, sender_id=actor.user_id, was=booking.busy)
        return change, on_moving(moved, pricing.weekly_trial_limit)

    return await alter(context, actor, command.booking_id, decide, claim)


@idempotent_booking("booking:no-show")
async def report_no_show(context: PublishContext, actor: Actor, command: ReportNoShow, claim: Claim | None) -> Booking:
    """By the trainer, from the start to 24 h after the end, unless the client has reviewed the session; nothing comes
    back to the client."""

    async def decide(booking: Booking, by: Party, now: datetime) -> tuple[BookingChange, Settlement]:
        require_no_show(booking, by, now)
        if await context.store.reviews.has(booking.id):
            raise DomainError(Code.CONFLICT, "The client has reviewed this session.")
        missed = next_version(booking, now, status="no_show")
        return BookingChange(booking=missed, action="no_show", by=by, sender_id=actor.user_id), on_no_show(booking, now)

    return await alter(context, actor, command.booking_id, decide, claim)
