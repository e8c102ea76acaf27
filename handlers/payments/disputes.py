"""What a client's bank takes back: credits frozen and the trainer's part fetched back, both undone when it is won.

The dispute's row is committed with the credits, and with that by which the trainer's part follows (``trainer_parts``).
"""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from functools import partial

from domain.disputes import Dispute, DisputeAtStripe, next_state
from domain.errors import Code, DomainError
from domain.payments import OPEN, Transaction
from handlers.context import PaymentContext
from handlers.jobs import TRAINER_PARTS, Job
from handlers.payments import outbox
from handlers.payments.fulfilment import settle_if_erased
from handlers.payments.refunds import of_payment
from store.failures import ChangedMeanwhile, decided_anew
from store.payment_transactions import Usable
from store.work_queue import WorkRow

# An open one lasts for weeks; events tell of its end.
_LOOKS = timedelta(hours=1)


async def absorb(context: PaymentContext, transaction: Transaction) -> None:
    """Every dispute of the payment, as far as Stripe says it has come."""
    if transaction.intent_id is None or transaction.status in OPEN:
        return
    for found in await context.payments.disputes(transaction.intent_id):
        await _follow(context, transaction.id, found)


def disputes_job(context: PaymentContext) -> Job:
    """Finishes what a dead node began, and looks at what no event told of."""
    queue = context.store.disputes.queue
    return Job("disputes", queue, partial(_process, context), poll=timedelta(seconds=15))


async def _process(context: PaymentContext, claimed: WorkRow) -> None:
    dispute = context.store.disputes.row(claimed)
    transaction = await context.store.transactions.by_id(dispute.transaction_id)
    assert transaction is not None
    await absorb(context, transaction)
    after = await context.store.disputes.by_id(dispute.id)
    if after is not None and after.status == "open":
        await context.store.disputes.queue.reschedule(claimed, context.now() + _LOOKS)


async def _follow(context: PaymentContext, transaction_id: str, found: DisputeAtStripe) -> None:
    transaction, after = await _commit(context, transaction_id, found)
    with suppress(DomainError):
        # What is not published now is by the durable work.
        await outbox.publish_pending(context, transaction_id)
    context.wake_ups.wake(TRAINER_PARTS)
    if after.status == "won":
        await settle_if_erased(context, transaction)


@decided_anew
async def _commit(
    context: PaymentContext, transaction_id: str, found: DisputeAtStripe
) -> tuple[Transaction, Dispute]:
    transaction = await context.store.transactions.by_id(transaction_id)
    assert transaction is not None
    known = await context.store.disputes.by_id(found.id)
    usable, now = await of_payment(context, transaction), context.now()
    after, owes = next_state(transaction, known, found, usable.credits, now)
    if after != known or owes:
        await _step(context, transaction, known, after, owes, usable)
    return transaction, after


async def _step(
    context: PaymentContext,
    transaction: Transaction,
    known: Dispute | None,
    after: Dispute,
    owes: int,
    usable: Usable,
) -> None:
    step, now = context.store.payment_transactions.step_dispute, context.now()
    try:
        committed = await step(transaction, known, after, owes, usable, now)
    except DomainError as error:
        if error.code is not Code.INSUFFICIENT_CREDIT:
            raise
        # A credit was spent in between.
        raise ChangedMeanwhile from error
    if not committed:
        raise ChangedMeanwhile
