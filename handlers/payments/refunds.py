"""Unused credits for their money: asked for by an administrator, or made at Stripe without us."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from functools import partial

import structlog

from domain.accounts import require_administrator
from domain.credits import grant, settle
from domain.errors import Code, DomainError, not_found, unavailable
from domain.payment_comparison import refund_refused
from domain.payments import OPEN, StripeRefused, Transaction
from domain.refunds import REFUNDABLE, Refund, RefundAtStripe, absorbed, refund_of
from domain.wire.payments import RefundTransaction, TransactionAnswer, transaction_answer
from handlers.access import Actor
from handlers.audit import audit_writer
from handlers.context import PaymentContext
from handlers.idempotency import begun_once
from handlers.jobs import TRAINER_PARTS, Job
from handlers.payments import outbox
from store.audit import AuditWriter, unrecorded
from store.failures import ChangedMeanwhile, decided_anew
from store.idempotency import Claim
from store.payment_transactions import Usable
from store.work_queue import WorkRow

log = structlog.get_logger("payments")
_SCOPE = "transaction:refund"
# Stripe keeps keys for 24 hours; later it is asked first whether it has done it.
_KEY_LASTS = timedelta(hours=23)


async def refund_transaction(
    context: PaymentContext, actor: Actor, command: RefundTransaction
) -> TransactionAnswer:
    """By an administrator, so many unused credits or all. Raises ``conflict`` when there are not so many or Stripe
    refuses, and ``unavailable`` when it does not answer: then it is made as soon as it does."""
    require_administrator(actor.role)

    async def known(refund_id: str) -> Refund | None:
        found = await context.store.refunds.by_id(refund_id)
        return None if found is None else found[0]

    begin = partial(_begin, context, actor, command)
    return await _finished(context, await begun_once(_SCOPE, context, actor, command, begin, known))


@decided_anew
async def _begin(
    context: PaymentContext, actor: Actor, command: RefundTransaction, claimed: Claim | None
) -> Refund:
    transaction = await context.store.transactions.by_id(command.id)
    if transaction is None:
        raise not_found("transaction")
    refund = await decide(context, transaction, command.credits, actor.user_id)
    audit = audit_writer(context, actor, "transaction.refund", "transaction", command.id)
    await commit(context, transaction, refund, claimed, audit)
    return refund


async def decide(context: PaymentContext, transaction: Transaction, credits: int | None, by: str | None) -> Refund:
    """What ``refund_of`` comes to now; raises what it raises. ``credits``: all that are unused where none is given."""
    return refund_of(
        transaction,
        context.store.refunds.new_id(),
        await unused(context, transaction),
        credits,
        by,
        context.now(),
        reverses=await reverses(context, transaction),
    )


async def commit(
    context: PaymentContext,
    transaction: Transaction,
    refund: Refund,
    claimed: Claim | None = None,
    audit: AuditWriter = unrecorded,
) -> None:
    """Raises ``ChangedMeanwhile`` when something has since it was decided."""
    try:
        committed = await context.store.payment_transactions.begin_refund(transaction, refund, claimed, audit)
    except DomainError as error:
        if error.code is not Code.INSUFFICIENT_CREDIT:
            raise
        # A credit was spent in between.
        raise ChangedMeanwhile from error
    if not committed:
        raise ChangedMeanwhile


async def _finished(context: PaymentContext, refund: Refund) -> TransactionAnswer:
    if not await drive(context, refund):
        raise DomainError(Code.CONFLICT, "Stripe refuses the refund; the credits are back.")
    transaction = await context.store.transactions.by_id(refund.transaction_id)
    if transaction is None:
        raise unavailable()
    return transaction_answer(transaction)


async def unused(context: PaymentContext, transaction: Transaction) -> int:
    """The credits that may be of this payment; one for a booking is none until it has come back."""
    return (await of_payment(context, transaction)).credits


async def of_payment(context: PaymentContext, transaction: Transaction) -> Usable:
    """The same, beside the balance in which they were seen."""
    balance = await context.store.credits.balance(transaction.client_id, transaction.trainer_id)
    if transaction.booking_id is None:
        return Usable(credits=balance, balance=balance)
    effects = (grant(transaction.id), settle(transaction.booking_id))
    came = await context.store.credits.came_of(transaction.client_id, effects)
    return Usable(credits=balance if came else 0, balance=balance, in_booking=not came)


async def reverses(context: PaymentContext, transaction: Transaction) -> bool:
    """Whether the trainer's part lies where the payment put it, so that Stripe takes its share back with a refund."""
    return await context.store.trainer_parts.by_id(transaction.id) is None


def refunds_job(context: PaymentContext) -> Job:
    """Makes what was asked for when Stripe did not answer, or by a node that died."""
    queue = context.store.refunds.queue
    return Job("refunds", queue, partial(_process, context), poll=timedelta(seconds=10))


async def _process(context: PaymentContext, claimed: WorkRow) -> None:
    await drive(context, context.store.refunds.row(claimed))


@decided_anew
async def drive(context: PaymentContext, refund: Refund) -> bool:
    """Ask Stripe and commit what it says, once; false when it refuses."""
    found = await context.store.refunds.by_id(refund.id)
    if found is None:
        raise unavailable()
    refund, refused = found
    if refused or refund.stripe_id is not None:
        return not refused
    transaction = await context.store.transactions.by_id(refund.transaction_id)
    assert transaction is not None
    stripe_id = await _at_stripe(context, transaction, refund)
    if not await context.store.payment_transactions.finish_refund(transaction, refund, stripe_id, context.now()):
        raise ChangedMeanwhile
    await _publish(context, refund.transaction_id)
    context.wake_ups.wake(TRAINER_PARTS)
    if stripe_id is None:
        # Most likely it was refunded there meanwhile.
        await absorb(context, transaction)
    return stripe_id is not None


async def _at_stripe(context: PaymentContext, transaction: Transaction, refund: Refund) -> str | None:
    """The refund's id; nothing when Stripe refuses."""
    assert transaction.intent_id is not None
    if context.now() - refund.created_at > _KEY_LASTS:
        for one in await context.payments.refunds(transaction.intent_id):
            if one.refund_id == refund.id:
                return one.id
    try:
        return await context.payments.create_refund(transaction, refund)
    except StripeRefused:
        return None


async def absorb(context: PaymentContext, transaction: Transaction) -> None:
    """What was refunded at Stripe without us, and what a bank has sent back of any refund, each once."""
    if transaction.intent_id is None or transaction.status in OPEN:
        return
    for one in await context.payments.refunds(transaction.intent_id):
        await _follow(context, transaction.id, one)
    await _publish(context, transaction.id)
    context.wake_ups.wake(TRAINER_PARTS)


@decided_anew
async def _follow(context: PaymentContext, transaction_id: str, found: RefundAtStripe) -> None:
    # Ours first: what is still asked for counts as refunded until Stripe has answered.
    for ours in await context.store.refunds.open_of(transaction_id):
        await drive(context, ours)
    known = await context.store.refunds.by_stripe_id(found.id)
    current = await context.store.transactions.by_id(transaction_id)
    assert current is not None
    now = context.now()
    if known is not None:
        refund, has_failed = known
        if not found.failed or has_failed:
            return
        log.warning("a client's bank refuses a refund", transaction=transaction_id)
        if not await context.store.payment_transactions.fail_refund(current, refund, now):
            raise ChangedMeanwhile
        if refund.reason == "erased":
            # The card takes nothing more, and nobody is there to name another: a person has to look.
            await context.store.payment_differences.report(refund_refused(current, refund.credits), now)
        return
    if found.failed or current.status not in REFUNDABLE:
        return
    if found.refund_id is not None and await _is_ours(context, found.refund_id, current):
        return
    usable = await of_payment(context, current)
    taken = absorbed(current, found, context.store.refunds.new_id(), usable.credits, now)
    if taken is not None:
        with suppress(DomainError):
            if await context.store.payment_transactions.absorb_refund(current, taken, usable):
                return
    raise ChangedMeanwhile


async def _is_ours(context: PaymentContext, refund_id: str, transaction: Transaction) -> bool:
    """What its metadata claims, looked up."""
    found = await context.store.refunds.by_id(refund_id)
    return found is not None and found[0].transaction_id == transaction.id and found[0].reason is not None


async def _publish(context: PaymentContext, transaction_id: str) -> None:
    with suppress(DomainError):
        # What is not published now is by the durable work.
        await outbox.publish_pending(context, transaction_id)
