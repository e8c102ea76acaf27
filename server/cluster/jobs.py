"""All durable work of a node: a new job is a line here, and a function beside the handlers of its subject."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, cast

from handlers.accounts.exports import exporting
from handlers.accounts.me import second_looks
from handlers.accounts.sessions import sign_in_notices
from handlers.bookings.announce import redriving
from handlers.bookings.due import due_bookings
from handlers.bookings.mailing import booking_mails
from handlers.catalogue.reviews import ratings
from handlers.context import Context
from handlers.files.uses import sweeping
from handlers.jobs import PUSHES, Job
from handlers.messages.recovery import unapplied_changes, unpublished_entries
from handlers.messages.search import respelling
from handlers.notifications.digests import digesting
from handlers.notifications.pushing import push_jobs
from handlers.notifications.receipts import receipt_mails
from handlers.notifications.undelivered import notifying, scanning
from handlers.payments import announce as payment_notices
from handlers.payments.comparing import compared_payments
from handlers.payments.disputes import open_disputes
from handlers.payments.erasures import final_refunds
from handlers.payments.events import missed_events, stripe_events
from handlers.payments.fulfilment import open_payments
from handlers.payments.refunds import open_refunds
from handlers.payments.trainer_parts import trainer_parts
from handlers.webhooks.delivering import delivering
from store.store import Store
from store.work_queue import WorkQueue


def durable_jobs(context: Context) -> tuple[Job, ...]:
    return (
        due_bookings(context),
        redriving(context),
        booking_mails(context),
        unapplied_changes(context),
        unpublished_entries(context),
        sweeping(context),
        second_looks(context),
        sign_in_notices(context),
        exporting(context),
        respelling(context),
        ratings(context),
        receipt_mails(context),
        scanning(context),
        digesting(context),
        *((notifying(context), *push_jobs(context)) if context.pusher.providers else ()),
        open_payments(context),
        open_refunds(context),
        open_disputes(context),
        trainer_parts(context),
        final_refunds(context),
        compared_payments(context),
        payment_notices.redriving(context),
        stripe_events(context),
        missed_events(context),
        *delivering(context),
    )


class _EveryPushService:
    providers: ClassVar = tuple(PUSHES)


@dataclass(frozen=True, slots=True)
class _RowsAlone:
    """What jobs are made from. Their work would need the rest of a context."""

    store: Store
    pusher: _EveryPushService


def durable_queues(store: Store) -> dict[str, WorkQueue]:
    """The rows of every job by its name, whatever a node's settings are; for who looks after rows and does no work."""
    context = _RowsAlone(store, _EveryPushService())
    return {job.name: job.queue for job in durable_jobs(cast(Context, context))}
