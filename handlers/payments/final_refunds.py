"""What an erased client or trainer leaves: pending purchases are cancelled, unused credits are refunded, and a client's
customer at Stripe goes. A trainer's account there is the trainer's own, and is paid out as before."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from functools import partial

import structlog

from domain.errors import Code, DomainError
from domain.payment_comparison import refund_refused
from domain.payments import Transaction
from domain.refunds import Refund
from handlers.context import PaymentContext
from handlers.jobs import FINAL_REFUNDS, Job, Postponed
from handlers.payments import disputes, fulfilment
from handlers.payments.refunds import commit, decide, drive
from store.erasures import LONGEST_TRANSACTION
from store.failures import ChangedMeanwhile, decided_anew
from store.work_queue import WorkRow

log = structlog.get_logger("payments")
_OF_BANKS = timedelta(hours=1)


def final_refunds_job(context: PaymentContext) -> Job:
    queue = context.store.final_refunds.queue
    return Job(FINAL_REFUNDS, queue, partial(_process, context), lease=timedelta(minutes=5), poll=timedelta(seconds=5))


async def _process(context: PaymentContext, claimed: WorkRow) -> None:
    erased = context.store.final_refunds.row(claimed)
    for transaction in await context.store.transactions.open_of(erased.role, erased.profile_id):
        with suppress(fulfilment.Misfit):
            await fulfilment.close(context, transaction)
    if await context.store.bookings.has_leaving(erased.role, erased.profile_id):
        # Their credits are about to come back.
        raise Postponed
    for client_id, trainer_id in await context.store.credits.pairs_with_credit(erased.role, erased.profile_id):
        await _refund_pair(context, client_id, trainer_id)
    if erased.customer is not None:
        await context.payments.delete_customer(erased.customer)
    if await context.store.transactions.open_of(erased.role, erased.profile_id):
        # A bank is still at work on one, which cannot be cancelled then.
        await context.store.final_refunds.queue.reschedule(claimed, context.now() + _OF_BANKS)
        return
    last_look = erased.at + LONGEST_TRANSACTION
    if context.now() < last_look:
        # A transaction may be committing what was not seen.
        await context.store.final_refunds.queue.reschedule(claimed, last_look)


async def _refund_pair(context: PaymentContext, client_id: str, trainer_id: str) -> None:
    """The newest purchases first: those are the ones of which something is left."""
    for transaction in await context.store.transactions.paid_between(client_id, trainer_id):
        await _refund(context, transaction)


@decided_anew
async def _refund(context: PaymentContext, transaction: Transaction) -> None:
    current = await context.store.transactions.by_id(transaction.id)
    assert current is not None
    try:
        refund = await decide(context, current, None, None)
    except DomainError as error:
        if error.code is not Code.CONFLICT:
            raise
        # Nothing is left of it, or a bank has it: then the end of the dispute brings us back.
        return
    await commit(context, current, refund)
    if await drive(context, refund):
        return
    # Refused for what is not known here yet, most likely: a dispute, or a refund made there.
    await disputes.absorb(context, current)
    if await _is_changed(context, current):
        raise ChangedMeanwhile
    await _report(context, current, refund)


async def _is_changed(context: PaymentContext, before: Transaction) -> bool:
    after = await context.store.transactions.by_id(before.id)
    assert after is not None
    return _gone(after) != _gone(before)


def _gone(transaction: Transaction) -> tuple[int, int]:
    return transaction.amount_refunded, transaction.amount_disputed


async def _report(context: PaymentContext, transaction: Transaction, refund: Refund) -> None:
    """What Stripe refuses of a payment of which it says what we say, it will refuse again: a person has to look."""
    if await context.store.payment_differences.report(refund_refused(transaction, refund.credits), context.now()):
        log.error("Stripe refuses the money of credits that nobody can use", transaction=transaction.id)
