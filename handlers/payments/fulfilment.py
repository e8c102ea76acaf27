"""From a Transaction to Stripe and back: its intent is made once, and what Stripe says of it is committed once.

A device's polling, an event and the durable work all come here, at the same time if it so happens.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from functools import partial

import structlog

from domain.errors import DomainError
from domain.payments import OPEN_LASTS, Intent, Refused, Transaction, fits, next_look
from handlers.context import PaymentContext
from handlers.jobs import PAYMENTS, Job
from handlers.payments import announce
from store.work_queue import WorkRow

log = structlog.get_logger("payments")


class Misfit(Exception):
    """What was paid at Stripe is not what was sold here."""


def open_payments(context: PaymentContext) -> Job:
    """Finishes what a dead node began, and looks at what no event told of."""
    return Job(PAYMENTS, context.store.transactions.queue, partial(_attend, context), lease=timedelta(seconds=60))


async def _attend(context: PaymentContext, claimed: WorkRow) -> None:
    transaction = context.store.transactions.row(claimed)
    if transaction.is_open and (transaction.intent_id is not None or not await _is_abandoned(context, transaction)):
        transaction = await look(context, transaction)
    if transaction.is_open and await _is_abandoned(context, transaction):
        transaction = await _close(context, transaction)
    await context.store.transactions.look_again(claimed, next_look(transaction, context.now()))


async def _is_abandoned(context: PaymentContext, transaction: Transaction) -> bool:
    """Nobody has paid for a day, or one of the two is gone."""
    if context.now() >= transaction.created_at + OPEN_LASTS:
        return True
    users = await context.store.users.by_ids((transaction.client_user_id, transaction.trainer_user_id))
    return len(users) < 2 or any(user.is_deleted for user in users)


async def _close(context: PaymentContext, transaction: Transaction) -> Transaction:
    """Cancelled at Stripe, so that it cannot be paid any more; what was paid in the same moment counts."""
    if transaction.intent_id is not None:
        try:
            intent = await context.payments.cancel_intent(transaction.intent_id)
        except Refused:
            intent = await context.payments.intent(transaction.intent_id)
        return await _apply(context, transaction, intent)
    # No device has ever had what an intent without an id here is paid with.
    return await context.store.transactions.fail(transaction, context.now(), closed=True)


async def begun(context: PaymentContext, transaction: Transaction) -> tuple[Transaction, Intent, str]:
    """With its intent and its customer at Stripe, made now or before."""
    customer = await context.store.stripe_accounts.customer(transaction.client_id)
    user = await context.store.users.by_id(transaction.client_user_id)
    email = "" if user is None else user.email
    if customer is None:
        made = await context.payments.create_customer(transaction.client_id, email)
        customer = await context.store.stripe_accounts.remember_customer(transaction.client_id, made) or made
    if transaction.intent_id is None:
        intent = await context.payments.create_intent(transaction, customer, email)
        return await context.store.transactions.remember_intent(transaction, intent.id), intent, customer
    return transaction, await context.payments.intent(transaction.intent_id), customer


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
    with suppress(DomainError, Misfit):
        return await look(context, transaction)
    return transaction


async def _apply(context: PaymentContext, transaction: Transaction, intent: Intent) -> Transaction:
    if intent.status == "succeeded":
        if not fits(transaction, intent):
            log.error("a payment is not what was sold", transaction=transaction.id)
            raise Misfit
        return await _fulfil(context, transaction)
    if intent.status == "canceled":
        return await context.store.transactions.fail(transaction, context.now(), closed=True)
    if intent.declined and transaction.status == "pending":
        return await context.store.transactions.fail(transaction, context.now(), closed=False)
    return transaction


async def _fulfil(context: PaymentContext, transaction: Transaction) -> Transaction:
    paid = await context.store.payment_transactions.fulfil(transaction, context.now())
    with suppress(DomainError):
        # What is not announced now is by the durable work.
        await announce.settle(context, transaction.id)
    return paid or await context.store.transactions.by_id(transaction.id) or transaction
