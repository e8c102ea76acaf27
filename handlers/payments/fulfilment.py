"""From a Transaction to Stripe and back: its intent is made once, and what Stripe says of it is committed once.

A device's polling, an event and the durable work all come here, at the same time if it so happens.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from functools import partial

import structlog

from domain.booking_changes import BookingChange, expiry
from domain.bookings import Booking, next_version
from domain.errors import Code, DomainError
from domain.payments import OPEN_LASTS, Intent, StripeRefused, Transaction, fits, next_look
from handlers.bookings import outbox as bookings_outbox
from handlers.context import PaymentContext
from handlers.jobs import FINAL_REFUNDS, PAYMENTS, Job
from handlers.payments import outbox
from store.failures import ChangedMeanwhile, decided_anew
from store.work_queue import WorkRow

log = structlog.get_logger("payments")


class Misfit(Exception):
    """What was paid at Stripe is not what was sold here."""


def payments_job(context: PaymentContext) -> Job:
    """Finishes what a dead node began, and looks at what no event told of."""
    return Job(PAYMENTS, context.store.transactions.queue, partial(_process, context), lease=timedelta(seconds=60))


async def _process(context: PaymentContext, claimed: WorkRow) -> None:
    transaction = context.store.transactions.row(claimed)
    if transaction.is_open and (transaction.intent_id is not None or not await _is_abandoned(context, transaction)):
        transaction = await look(context, transaction)
    if transaction.is_open and await _is_abandoned(context, transaction):
        transaction = await close(context, transaction)
    if (at := next_look(transaction, context.now())) is not None:
        await context.store.transactions.queue.reschedule(claimed, at)


async def _is_abandoned(context: PaymentContext, transaction: Transaction) -> bool:
    """Nobody has paid for a day, or one of the two is gone; or the hold that it pays for is over."""
    now = context.now()
    if now >= transaction.created_at + OPEN_LASTS:
        return True
    if transaction.booking_id is not None:
        booking = await context.store.bookings.by_id(transaction.booking_id)
        if booking is None or booking.status != "held" or now >= (transaction.held_until or now):
            return True
    users = await context.store.users.by_ids((transaction.client_user_id, transaction.trainer_user_id))
    return len(users) < 2 or any(user.is_deleted for user in users)


async def close(context: PaymentContext, transaction: Transaction) -> Transaction:
    """Cancelled at Stripe, so that it cannot be paid any more; what was paid in the same moment counts."""
    if transaction.intent_id is not None:
        try:
            intent = await context.payments.cancel_intent(transaction.intent_id)
        except StripeRefused:
            intent = await context.payments.intent(transaction.intent_id)
        return await _apply(context, transaction, intent)
    # No device has ever had what an intent without an id here is paid with.
    closed = await context.store.transactions.fail(transaction, context.now(), closed=True)
    if closed.closed:
        await _release(context, closed)
    return closed


async def _failed(context: PaymentContext, transaction: Transaction) -> Transaction:
    """Cancelled at Stripe: it can't be paid any more. The slot is free first, so that whoever dies in between leaves
    a payment that is looked at again."""
    await _release(context, transaction)
    return await context.store.transactions.fail(transaction, context.now(), closed=True)


@decided_anew
async def _release(context: PaymentContext, transaction: Transaction) -> None:
    """What was held for it is free at once."""
    if transaction.booking_id is None:
        return
    booking = await context.store.bookings.by_id(transaction.booking_id)
    if booking is None or booking.status != "held":
        return
    now = context.now()
    committed = await context.store.booking_transactions.alter(booking, *expiry(booking, now), now, None)
    if committed is None:
        raise ChangedMeanwhile
    await _publish_booking(context, committed.booking)


async def begun(context: PaymentContext, transaction: Transaction) -> tuple[Transaction, Intent, str]:
    """With its intent and its customer at Stripe, made now or before. Raises ``conflict`` where it is over, or Stripe
    will not take it: too small an amount, a trainer whom it has just restricted."""
    try:
        return await _begun(context, transaction)
    except StripeRefused as error:
        log.warning("Stripe refuses a payment", transaction=transaction.id, code=error.code)
        if transaction.intent_id is None:
            await close(context, transaction)
        raise DomainError(Code.CONFLICT, "Stripe does not take this payment.") from error


async def _begun(context: PaymentContext, transaction: Transaction) -> tuple[Transaction, Intent, str]:
    customer = await context.store.stripe_accounts.customer(transaction.client_id)
    if customer is None:
        user = await context.store.users.by_id(transaction.client_user_id)
        email = "" if user is None else user.email
        made = await context.payments.create_customer(transaction.client_id, email)
        customer = await context.store.stripe_accounts.remember_customer(transaction.client_id, made) or made
    if transaction.intent_id is None:
        if not transaction.is_open:
            raise _too_late()
        intent = await context.payments.create_intent(transaction, customer)
        remembered = await context.store.transactions.remember_intent(transaction, intent.id)
        if remembered is None:
            # It was closed meanwhile. Nobody has its secret, and nobody is to have it.
            with suppress(StripeRefused, DomainError):
                await context.payments.cancel_intent(intent.id)
            raise _too_late()
        return remembered, intent, customer
    return transaction, await context.payments.intent(transaction.intent_id), customer


def _too_late() -> DomainError:
    return DomainError(Code.CONFLICT, "This can no longer be paid; begin anew.")


async def look(context: PaymentContext, transaction: Transaction) -> Transaction:
    """What holds after Stripe was asked; raises ``unavailable``, and ``Misfit`` for a payment that is another."""
    if not transaction.is_open:
        return transaction
    if transaction.intent_id is None:
        transaction, intent, _ = await begun(context, transaction)
    else:
        intent = await context.payments.intent(transaction.intent_id)
    return await _apply(context, transaction, intent)


async def glance(context: PaymentContext, transaction: Transaction) -> Transaction:
    """The same for a reader, who is answered what is known when Stripe is away."""
    if not transaction.is_open or transaction.intent_id is None:
        return transaction
    with suppress(DomainError, Misfit, StripeRefused):
        return await look(context, transaction)
    return transaction


async def _apply(context: PaymentContext, transaction: Transaction, intent: Intent) -> Transaction:
    if intent.status == "succeeded":
        if not fits(transaction, intent):
            log.error("a payment is not what was sold", transaction=transaction.id)
            raise Misfit
        return await _fulfil(context, transaction)
    if intent.status == "canceled":
        return await _failed(context, transaction)
    if intent.declined and transaction.booking_id is not None:
        return await close(context, transaction)
    if intent.declined and transaction.status == "pending":
        return await context.store.transactions.fail(transaction, context.now(), closed=False)
    return transaction


@decided_anew
async def _confirm(context: PaymentContext, transaction: Transaction, booking_id: str) -> bool:
    """The hold becomes a booking; false when it has ended: then what was paid is a credit."""
    booking = await context.store.bookings.by_id(booking_id)
    if booking is None or booking.status != "held":
        return False
    now = context.now()
    confirmed = next_version(booking, now, status="confirmed", held_until=None)
    change = BookingChange(booking=confirmed, action="confirmed", by="client", sender_id=booking.client_user_id)
    if not await context.store.payment_transactions.confirm(transaction, booking, change, now):
        raise ChangedMeanwhile
    await _publish_booking(context, confirmed)
    return True


async def _publish_booking(context: PaymentContext, booking: Booking) -> None:
    with suppress(DomainError):
        await bookings_outbox.publish_pending(context, booking.id, booking.version)


async def settle_if_erased(context: PaymentContext, transaction: Transaction) -> None:
    """Credits have come: who is erased can do nothing with them, nor can who bought from somebody erased."""
    users = await context.store.users.by_ids((transaction.client_user_id, transaction.trainer_user_id))
    for user in users:
        if user.is_deleted:
            await context.store.final_refunds.again(user, context.now())
            context.wake_ups.wake(FINAL_REFUNDS)


async def _fulfil(context: PaymentContext, transaction: Transaction) -> Transaction:
    paid = None
    if transaction.booking_id is None or not await _confirm(context, transaction, transaction.booking_id):
        paid = await context.store.payment_transactions.fulfil(transaction, context.now())
    with suppress(DomainError):
        # What is not published now is by the durable work.
        await outbox.publish_pending(context, transaction.id)
    await settle_if_erased(context, transaction)
    return paid or await context.store.transactions.by_id(transaction.id) or transaction
