"""What a trainer has of a payment at Stripe is brought to what there is to have, where Stripe does not do it by itself.

The move is committed before Stripe is asked, under a number from which its key follows; after it all is compared anew.
So no node has to know how far another one came, and what came in between is made good by the next move.
"""

from __future__ import annotations

from datetime import timedelta
from functools import partial

import structlog

from domain.errors import unavailable
from domain.payments import OPEN, StripeRefused, Transaction
from domain.trainer_parts import Move, next_move
from handlers.context import PaymentContext
from handlers.jobs import TRAINER_PARTS, Job
from handlers.payments import disputes, refunds
from store.failures import ChangedMeanwhile, decided_anew
from store.work_queue import WorkRow

log = structlog.get_logger("payments")


class NotMoved(Exception):
    """Stripe refuses it; a person has to look when it goes on doing so."""


def trainer_parts_job(context: PaymentContext) -> Job:
    queue = context.store.trainer_parts.queue
    return Job(TRAINER_PARTS, queue, partial(_process, context), poll=timedelta(seconds=10))


@decided_anew
async def _process(context: PaymentContext, claimed: WorkRow) -> None:
    transaction_id = str(claimed.id)
    part = await context.store.trainer_parts.by_id(transaction_id)
    transaction = await context.store.transactions.by_id(transaction_id)
    if part is None or transaction is None:
        return
    if part.under_way is not None:
        await _make(context, transaction, part.under_way)
    elif await _is_settled(context, transaction, part.moves):
        return
    # By us, or by others meanwhile: all is compared anew.
    raise ChangedMeanwhile


async def _is_settled(context: PaymentContext, transaction: Transaction, number: int) -> bool:
    """Else the next move is under way, or something changed meanwhile."""
    if transaction.intent_id is None or transaction.status in OPEN:
        return True
    await refunds.absorb(context, transaction)
    await disputes.absorb(context, transaction)
    before = await context.store.transactions.by_id(transaction.id)
    assert before is not None
    parts = await context.payments.parts(before)
    if before != await context.store.transactions.by_id(transaction.id):
        return False
    move = next_move(before, number, parts)
    if move is not None:
        await context.store.trainer_parts.begin(transaction.id, move)
    return move is None


async def _make(context: PaymentContext, transaction: Transaction, move: Move) -> None:
    try:
        await context.payments.move(transaction, move)
    except StripeRefused as error:
        log.error("Stripe refuses to settle with a trainer", transaction=transaction.id, code=error.code)
        # It keeps that answer under the key.
        await context.store.trainer_parts.end(transaction.id, move)
        if error.code == "balance_insufficient":
            # The platform's; what a bank returns takes a while to arrive.
            raise unavailable() from error
        raise NotMoved from error
    await context.store.trainer_parts.end(transaction.id, move)
