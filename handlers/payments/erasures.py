"""What an erased client or trainer leaves: pending purchases are cancelled, unused credits are refunded, and a client's
customer at Stripe goes. A trainer's account there is the trainer's own, and is paid out as before."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from functools import partial

from domain.errors import Code, DomainError, unavailable
from domain.payments import Refused, Transaction
from domain.refunds import refund_of
from handlers.context import PaymentContext
from handlers.jobs import FINAL_REFUNDS, Job, Postponed
from handlers.payments import fulfilment
from handlers.payments.refunds import drive, unused
from store.accounts import LONGEST_TRANSACTION
from store.work_queue import WorkRow

_TRIES = 10
_OF_BANKS = timedelta(hours=1)


class NotRefunded(Exception):
    """Stripe refuses the money of credits that nobody can use any more: a person has to look."""


def final_refunds(context: PaymentContext) -> Job:
    queue = context.store.final_refunds.queue
    return Job(FINAL_REFUNDS, queue, partial(_attend, context), lease=timedelta(minutes=5), poll=timedelta(seconds=5))


async def _attend(context: PaymentContext, claimed: WorkRow) -> None:
    erased = context.store.final_refunds.row(claimed)
    for transaction in await context.store.transactions.open_of(erased.role, erased.profile_id):
        with suppress(fulfilment.Misfit):
            await fulfilment.close(context, transaction)
    if await context.store.bookings.has_leaving(erased.role, erased.profile_id):
        # Their credits are about to come back.
        raise Postponed
    refused = [
        await _refund_pair(context, client_id, trainer_id)
        for client_id, trainer_id in await context.store.credits.pairs_with_credit(erased.role, erased.profile_id)
    ]
    if erased.customer is not None:
        await context.payments.delete_customer(erased.customer)
    if any(refused):
        raise NotRefunded
    if await context.store.transactions.open_of(erased.role, erased.profile_id):
        # A bank is still at work on one, which cannot be cancelled then.
        await context.store.final_refunds.look_again(claimed, context.now() + _OF_BANKS)
        return
    last_look = erased.at + LONGEST_TRANSACTION
    if context.now() < last_look:
        # A transaction may be committing what was not seen.
        await context.store.final_refunds.look_again(claimed, last_look)


async def _refund_pair(context: PaymentContext, client_id: str, trainer_id: str) -> bool:
    """The newest purchases first: those are the ones of which something is left. Whether Stripe refused one."""
    refused = False
    for transaction in await context.store.transactions.paid_between(client_id, trainer_id):
        refused |= not await _refund(context, transaction)
    return refused


async def _refund(context: PaymentContext, transaction: Transaction) -> bool:
    for _ in range(_TRIES):
        current = await context.store.transactions.by_id(transaction.id)
        assert current is not None
        balance = await unused(context, current)
        try:
            refund = refund_of(current, context.store.refunds.new_id(), balance, None, None, context.now())
        except DomainError:
            # Nothing is left of it, or a bank has it.
            return True
        try:
            if not await context.store.payment_transactions.begin_refund(current, refund, None):
                continue
        except DomainError as error:
            if error.code is not Code.INSUFFICIENT_CREDIT:
                raise
            continue
        with suppress(Refused):
            return await drive(context, refund)
        return False
    raise unavailable()
