"""What Stripe tells: verified, stored, answered, and worked on afterwards. An event says only where to look."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

from domain.errors import Code, DomainError
from domain.payments import Incoming
from domain.wire.payments import Received, StripeEvent
from handlers.access import Visitor
from handlers.context import PaymentContext
from handlers.jobs import STRIPE_EVENTS, Job
from handlers.payments import disputes, fulfilment, refunds
from handlers.payments.accounts import refreshed
from store.work_queue import WorkRow

_CATCH_UP = timedelta(minutes=5)
# Stripe may list an event a while after the instant that it bears.
_OVERLAP = timedelta(minutes=30)


async def receive(context: PaymentContext, visitor: Visitor, command: StripeEvent) -> Received:
    """Raises ``malformed`` for what none of our secrets signed in the last minutes."""
    event = context.payments.verified(command.payload, command.signature)
    if event is None:
        raise DomainError(Code.MALFORMED, "The signature does not verify.")
    if await context.store.stripe_events.add(event, context.now()):
        context.wake_ups.wake(STRIPE_EVENTS)
    return Received()


def stripe_events_job(context: PaymentContext) -> Job:
    return Job(STRIPE_EVENTS, context.store.stripe_events.queue, partial(_process, context), at_once=8)


async def _process(context: PaymentContext, claimed: WorkRow) -> None:
    """Those of kinds, payments or accounts that are not ours come to nothing."""
    event = context.store.stripe_events.row(claimed)
    if event.type == "account.updated" and event.account is not None:
        trainer_id = await context.store.stripe_accounts.trainer_of(event.account)
        if trainer_id is not None:
            await refreshed(context, trainer_id)
    elif event.account is None and event.intent is not None:
        await _look(context, event, event.intent)


async def _look(context: PaymentContext, event: Incoming, intent_id: str) -> None:
    transaction = await context.store.transactions.by_intent(intent_id)
    if transaction is None and event.purchase is not None:
        # A node died between Stripe's answer and its commit: asked again for it, Stripe names the intent itself.
        transaction = await context.store.transactions.by_id(event.purchase)
        if transaction is not None and transaction.intent_id is not None:
            return
    if transaction is None:
        return
    transaction = await fulfilment.look(context, transaction)
    if "refund" in event.type:
        await refunds.absorb(context, transaction)
    elif "dispute" in event.type:
        await disputes.absorb(context, transaction)


def missed_events_job(context: PaymentContext) -> Job:
    """Closes the gap of events that were never told: what Stripe lists and is not known here is added."""
    queue = context.store.compared_events.queue
    return Job("missed Stripe events", queue, partial(_catch_up, context), poll=timedelta(seconds=30))


async def _catch_up(context: PaymentContext, claimed: WorkRow) -> None:
    now = context.now()
    listed = await context.payments.events_since(context.store.compared_events.seen_until(claimed) - _OVERLAP)
    unknown = await context.store.stripe_events.unknown([one.id for one in listed])
    # The oldest first.
    for event in reversed(listed):
        if event.id in unknown:
            await context.store.stripe_events.add(event, now)
    if unknown:
        context.wake_ups.wake(STRIPE_EVENTS)
    await context.store.compared_events.advance(claimed, now, now + _CATCH_UP)
