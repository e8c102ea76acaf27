"""All durable work of a node: a new job is a line here, and a function beside the handlers of its subject."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, cast

from handlers.accounts.exports import exports_job
from handlers.accounts.me import erasures_job
from handlers.accounts.sessions import sign_in_notices_job
from handlers.bookings.due import due_bookings_job
from handlers.bookings.mailing import booking_mails_job, reminder_mails_job
from handlers.bookings.outbox import outbox_job
from handlers.catalogue.reviews import ratings_job
from handlers.context import Context
from handlers.files.uses import file_sweeps_job
from handlers.jobs import PUSHES, Job
from handlers.messages.recovery import unapplied_changes_job, unpublished_entries_job
from handlers.messages.search import respelling_job
from handlers.notifications.digests import digests_job
from handlers.notifications.pushing import push_jobs
from handlers.notifications.receipts import receipts_job
from handlers.notifications.undelivered import undelivered_messages_job, undelivered_scans_job
from handlers.payments.comparing import comparison_job
from handlers.payments.disputes import disputes_job
from handlers.payments.events import missed_events_job, stripe_events_job
from handlers.payments.final_refunds import final_refunds_job
from handlers.payments.fulfilment import payments_job
from handlers.payments.outbox import payment_notices_job
from handlers.payments.refunds import refunds_job
from handlers.payments.trainer_parts import trainer_parts_job
from handlers.webhooks.delivering import webhook_jobs
from store.store import Store
from store.work_queue import WorkQueue


def durable_jobs(context: Context) -> tuple[Job, ...]:
    return (
        due_bookings_job(context),
        outbox_job(context),
        booking_mails_job(context),
        reminder_mails_job(context),
        unapplied_changes_job(context),
        unpublished_entries_job(context),
        file_sweeps_job(context),
        erasures_job(context),
        sign_in_notices_job(context),
        exports_job(context),
        respelling_job(context),
        ratings_job(context),
        receipts_job(context),
        undelivered_scans_job(context),
        digests_job(context),
        *((undelivered_messages_job(context), *push_jobs(context)) if context.pusher.providers else ()),
        payments_job(context),
        refunds_job(context),
        disputes_job(context),
        trainer_parts_job(context),
        final_refunds_job(context),
        comparison_job(context),
        payment_notices_job(context),
        stripe_events_job(context),
        missed_events_job(context),
        *webhook_jobs(context),
    )


class _EveryPushService:
    providers: ClassVar = tuple(PUSHES)


@dataclass(frozen=True, slots=True)
class _RowsAlone:
    """What jobs are made from. Their work would need the rest of a context."""

    store: Store
    pusher: _EveryPushService


def durable_queues(store: Store) -> dict[str, WorkQueue]:
    """The rows of every job by its name, whatever a node's settings are; for commands that list rows and do no work."""
    context = _RowsAlone(store, _EveryPushService())
    return {job.name: job.queue for job in durable_jobs(cast(Context, context))}
