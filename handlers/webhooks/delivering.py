"""Sending events to the endpoints that want them: one job an endpoint, so that none holds another up."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

from domain.webhooks import EventType
from handlers.context import PublishContext, WebhookContext
from handlers.jobs import WEBHOOKS, Backoff, Job
from handlers.webhooks.signing import signed_headers
from store.work_queue import WorkRow

# With these it is given up after a day and a half: 10 s, doubled up to 8 hours.
ATTEMPTS = 16
BACKOFF = Backoff(first=timedelta(seconds=10), longest=timedelta(hours=8))


class NotTaken(Exception):
    """Raised for a delivery that is to be tried again; its endpoint says why."""


def webhook_jobs(context: WebhookContext) -> tuple[Job, ...]:
    """Four requests at a time a node and endpoint. The lease is longer than one may take."""
    return tuple(
        Job(
            name,
            queue,
            partial(_deliver, context),
            lease=timedelta(seconds=40),
            at_once=4,
            poll=timedelta(seconds=5),
            attempts=ATTEMPTS,
            backoff=BACKOFF,
        )
        for name, queue in zip(WEBHOOKS, context.store.webhook_deliveries.queues, strict=True)
    )


def wake(context: PublishContext, *kinds: EventType) -> None:
    """Such events may have been committed; what is woken for nothing is one look of a job."""
    for number in context.store.webhook_deliveries.queue_numbers(kinds):
        context.wake_ups.wake(WEBHOOKS[number])


async def _deliver(context: WebhookContext, claimed: WorkRow) -> None:
    delivery = context.store.webhook_deliveries.row(claimed)
    endpoint = await context.store.webhook_endpoints.by_id(delivery.endpoint_id)
    if endpoint is None or not endpoint.wants(delivery.type):
        return
    headers = signed_headers(context.secrets, endpoint, delivery.event_id, delivery.body, context.now())
    failure = await context.webhooks.post(endpoint.url, delivery.body.encode(), headers)
    if failure is not None:
        await context.store.webhook_endpoints.failed(endpoint.id, failure, context.now())
        raise NotTaken
    await context.store.webhook_endpoints.answered(endpoint)
