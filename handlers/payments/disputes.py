"""What a client's bank takes back: credits frozen and the transfer reversed, both undone when the dispute is won.

The dispute's row is the intent: it is committed with the credits before Stripe is asked. The trainer's part is fetched
back before it is given back, even of one that was won meanwhile: so no node has to know how far another one came.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from functools import partial

import structlog

from domain.disputes import Dispute, DisputeAtStripe, lost_by_trainer, next_state
from domain.errors import Code, DomainError, unavailable
from domain.payments import OPEN, Refused, Transaction
from handlers.context import PaymentContext
from handlers.jobs import Job
from handlers.payments import announce
from handlers.payments.fulfilment import settle_if_erased
from handlers.payments.refunds import unused
from store.work_queue import WorkRow

log = structlog.get_logger("payments")
_TRIES = 10
# An open one lasts for weeks; events tell of its end.
_LOOKS = timedelta(hours=1)


class NotDone(Exception):
    """Stripe refuses what a dispute asks for; a person has to look when it goes on doing so."""


async def absorb(context: PaymentContext, transaction: Transaction) -> None:
    """Every dispute of the payment, as far as Stripe says it has come."""
    if transaction.intent_id is None or transaction.status in OPEN:
        return
    for found in await context.payments.disputes(transaction.intent_id):
        await _follow(context, transaction.id, found)


def open_disputes(context: PaymentContext) -> Job:
    """Finishes what a dead node began, and looks at what no event told of."""
    queue = context.store.disputes.queue
    return Job("disputes", queue, partial(_attend, context), poll=timedelta(seconds=15))


async def _attend(context: PaymentContext, claimed: WorkRow) -> None:
    dispute = context.store.disputes.row(claimed)
    transaction = await context.store.transactions.by_id(dispute.transaction_id)
    assert transaction is not None
    await absorb(context, transaction)
    after = await context.store.disputes.by_id(dispute.id)
    if after is not None and after.status == "open":
        await context.store.disputes.look_again(claimed, context.now() + _LOOKS)


async def _follow(context: PaymentContext, transaction_id: str, found: DisputeAtStripe) -> None:
    for _ in range(_TRIES):
        transaction = await context.store.transactions.by_id(transaction_id)
        assert transaction is not None
        known = await context.store.disputes.by_id(found.id)
        after = next_state(transaction, known, found, await unused(context, transaction), context.now())
        if after == known or await _step(context, transaction, known, after):
            break
    else:
        raise unavailable()
    with suppress(DomainError):
        # What is not announced now is by the durable work.
        await announce.settle(context, transaction_id)
    if after.status == "won":
        await settle_if_erased(context, transaction)
    await _settle_with_trainer(context, transaction, found.id)


async def _step(context: PaymentContext, transaction: Transaction, known: Dispute | None, after: Dispute) -> bool:
    try:
        return await context.store.payment_transactions.step_dispute(transaction, known, after, context.now())
    except DomainError as error:
        # A credit was spent in between.
        if error.code is not Code.INSUFFICIENT_CREDIT:
            raise
        return False


async def _settle_with_trainer(context: PaymentContext, transaction: Transaction, dispute_id: str) -> None:
    disputes = context.store.disputes
    dispute = await disputes.by_id(dispute_id)
    if dispute is None or not dispute.owes:
        return
    try:
        if dispute.taken_back is None:
            taken = await context.payments.take_back(transaction, dispute.id, dispute.attempt, dispute.amount)
            await disputes.remember_taken_back(dispute.id, taken)
            dispute = await disputes.by_id(dispute_id) or dispute
        if dispute.status == "won" and dispute.taken_back and not dispute.given_back:
            amount = lost_by_trainer(transaction, dispute.taken_back)
            await context.payments.give_back(transaction, dispute.id, dispute.attempt, amount)
            await disputes.remember_given_back(dispute.id)
    except Refused as error:
        log.error("Stripe refuses what a dispute asks for", transaction=transaction.id, code=error.code)
        await disputes.refused(dispute)
        if error.code == "balance_insufficient":
            # The platform's balance; what the bank returns takes a while to arrive.
            raise unavailable() from error
        raise NotDone from error
