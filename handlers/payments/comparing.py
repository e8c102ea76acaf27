"""Stripe's list of payments beside ours, each hour: what can be mended is, and operators are told of the rest."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial

import structlog

from domain.errors import DomainError
from domain.payment_comparison import Difference, compare, missing_at_stripe
from domain.payments import OPEN_LASTS, ListedIntent, StripeRefused, Transaction
from handlers.context import PaymentContext
from handlers.jobs import Job
from handlers.payments import fulfilment, refunds
from store.work_queue import WorkRow

log = structlog.get_logger("payments")
_EVERY = timedelta(hours=1)
# A payment is looked at until nobody can pay it any more.
_OVERLAP = OPEN_LASTS + timedelta(hours=2)
# What was just changed may be under way.
SETTLED_AFTER = timedelta(minutes=10)


def comparison_job(context: PaymentContext) -> Job:
    queue = context.store.compared_payments.queue
    return Job(
        "comparison with Stripe",
        queue,
        partial(_compare, context),
        lease=timedelta(minutes=10),
        poll=timedelta(seconds=60),
    )


async def _compare(context: PaymentContext, claimed: WorkRow) -> None:
    now = context.now()
    since = context.store.compared_payments.seen_until(claimed) - _OVERLAP
    listed: set[str] = set()
    async for page in context.payments.intents_since(since):
        listed.update(one.intent.id for one in page)
        await _compare_page(context, page, now)
    ours = await context.store.transactions.intents_between(since, now - SETTLED_AFTER)
    await _look_for(context, ours - listed, now)
    await context.store.compared_payments.advance(claimed, now, now + _EVERY)


async def _compare_page(context: PaymentContext, page: Sequence[ListedIntent], now: datetime) -> None:
    known = await _ours(context, page)
    agreed: list[str] = []
    for listed in page:
        ours = known.get(listed.intent.id) or known.get(listed.purchase or "")
        if ours is not None and now - ours.updated_at < SETTLED_AFTER:
            continue
        difference = compare(ours, listed)
        if difference is not None and ours is not None:
            difference = compare(await _mended(context, ours), listed)
        if difference is None:
            agreed.append(listed.intent.id)
        else:
            await _report(context, difference, now)
    await context.store.payment_differences.agree(agreed)


async def _ours(context: PaymentContext, page: Sequence[ListedIntent]) -> dict[str, Transaction]:
    """By their intents' ids; what the metadata claims, by its own."""
    found = await context.store.transactions.by_intents([one.intent.id for one in page])
    claimed = [one.purchase for one in page if one.purchase is not None and one.intent.id not in found]
    return found | await context.store.transactions.by_ids(claimed)


async def _mended(context: PaymentContext, ours: Transaction) -> Transaction:
    with suppress(DomainError, fulfilment.Misfit, StripeRefused):
        ours = await fulfilment.look(context, ours)
        await refunds.absorb(context, ours)
    return await context.store.transactions.by_id(ours.id) or ours


async def _look_for(context: PaymentContext, unlisted: set[str], now: datetime) -> None:
    """At the edges of the time looked at, the clocks may differ."""
    for intent_id in unlisted:
        ours = await context.store.transactions.by_intent(intent_id)
        if ours is not None and await _is_missing(context, intent_id):
            await _report(context, missing_at_stripe(ours), now)


async def _is_missing(context: PaymentContext, intent_id: str) -> bool:
    try:
        await context.payments.intent(intent_id)
    except StripeRefused as error:
        return error.code == "resource_missing"
    return False


async def _report(context: PaymentContext, difference: Difference, now: datetime) -> None:
    if await context.store.payment_differences.report(difference, now):
        log.error(
            "Stripe and we disagree on a payment",
            transaction=difference.purchase_id,
            intent=difference.intent_id,
            difference=difference.kind,
        )
