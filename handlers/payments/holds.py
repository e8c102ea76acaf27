"""Where every booking enters; one that is paid by card holds its slot first.

The hold is committed with the intent to sell, and paid for like a purchase.
"""

from __future__ import annotations

from functools import partial

import msgspec

from domain.booking_changes import NO_SETTLEMENT, BookingChange
from domain.bookings import Booking
from domain.errors import Code, DomainError, unavailable
from domain.payments import HOLD_LASTS, Transaction, fee_of, price_of
from domain.times import from_wire, to_wire
from domain.wire.bookings import BookingAnswer, CreateBooking, HoldPayment
from handlers.access import Actor, require_role, trainer_to_deal_with
from handlers.bookings import commands, outbox, queries
from handlers.bookings.keyed import as_kept
from handlers.context import PaymentContext
from handlers.idempotency import claimed_once
from handlers.payments import fulfilment
from handlers.payments.accounts import require_selling
from handlers.request_digests import asked_by, scope_of
from store.booking_transactions import RESULT
from store.idempotency import Claim

# A client who pays nothing takes no more than this from others at a time; a few at once may come in between.
MAX_HOLDS = 5


async def book(context: PaymentContext, actor: Actor, command: CreateBooking) -> BookingAnswer:
    """By a client. Raises ``slot_taken``, ``own_conflict``, ``slot_unavailable``, ``insufficient_credit`` or
    ``trial_unavailable``; with a card, ``conflict`` where the trainer takes none and ``unavailable`` when Stripe does
    not answer: a repeat under the key goes on."""
    if command.pay_with != "card":
        return await commands.create_booking(context, actor, command)
    require_role(actor, "client")
    if command.idempotency_key is None:
        booking = await _own(context, actor, command) or await _hold(context, actor, command, None)
        return await _answer(context, booking)

    async def begin(claimed: Claim) -> Booking:
        found = await _own(context, actor, command)
        if found is None:
            return await _hold(context, actor, command, claimed)
        await context.store.idempotency.keep(claimed, RESULT.encode(_without_words(found)), RESULT.version)
        return found

    scope = scope_of(actor.user_id, commands.CREATE, command.idempotency_key)
    recall = partial(as_kept, context)
    return await _answer(context, await claimed_once(context, scope, asked_by(commands.CREATE, command), begin, recall))


async def _own(context: PaymentContext, actor: Actor, command: CreateBooking) -> Booking | None:
    """A hold on this slot that the client has abandoned is gone on with."""
    starts_at = from_wire(command.starts_at, "startsAt")
    return await context.store.bookings.held_for(actor.profile_id, command.trainer_id, starts_at, context.now())


async def _hold(context: PaymentContext, actor: Actor, command: CreateBooking, claimed: Claim | None) -> Booking:
    """Committed together: the hold, and the intent to sell it."""
    trainer = await trainer_to_deal_with(context, actor, command.trainer_id)
    if await context.store.bookings.holds_of(actor.profile_id, context.now()) >= MAX_HOLDS:
        raise DomainError(Code.CONFLICT, "Pay or cancel one of the slots that you hold first.")
    pricing = await context.store.pricings.of(command.trainer_id)
    amount = price_of(pricing, "single")
    account = await require_selling(context, command.trainer_id)
    now = context.now()
    slot, schedule = await commands.offered_slot(context, command.trainer_id, command.starts_at, now)
    booking = msgspec.structs.replace(
        commands.new_booking(context, actor, command, trainer, slot, schedule, pricing, now),
        status="held",
        held_until=min(now + HOLD_LASTS, slot.starts_at),
    )
    change = BookingChange(booking=booking, action="created", by="client", sender_id=actor.user_id)
    beside = partial(context.store.transactions.insert, _transaction(context, booking, amount, account.id))
    committed = await context.store.booking_transactions.book(change, NO_SETTLEMENT, now, claimed, beside)
    return committed.booking


def _without_words(booking: Booking) -> Booking:
    return msgspec.structs.replace(booking, note=None, reason=None)


async def _answer(context: PaymentContext, booking: Booking) -> BookingAnswer:
    settled = await outbox.publish_pending(context, booking.id, booking.version)
    view = settled.get(booking.version) or await queries.booking_view(context, booking)
    transaction = await context.store.transactions.by_booking(booking.id)
    if transaction is None or transaction.held_until is None:
        raise unavailable()
    _, intent, _ = await fulfilment.begun(context, transaction)
    payment = HoldPayment(
        client_secret=intent.client_secret,
        publishable_key=context.payments.publishable_key,
        api_base=context.payments.api_base or msgspec.UNSET,
        expires_at=to_wire(transaction.held_until),
    )
    return msgspec.structs.replace(view, payment=payment)


def _transaction(context: PaymentContext, booking: Booking, amount: int, account_id: str) -> Transaction:
    """The intent to sell this one session."""
    return Transaction(
        id=context.store.transactions.new_id(),
        client_id=booking.client_id,
        trainer_id=booking.trainer_id,
        client_user_id=booking.client_user_id,
        trainer_user_id=booking.trainer_user_id,
        pack="single",
        credits=1,
        amount=amount,
        currency=context.payments.currency,
        fee=fee_of(amount, context.payments.fee_percent),
        destination=account_id,
        booking_id=booking.id,
        held_until=booking.held_until,
        created_at=booking.created_at,
        updated_at=booking.created_at,
    )
