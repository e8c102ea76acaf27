"""Events on their way to webhooks: a row an event and endpoint, written in the transaction of what it tells of.

Which endpoints want what a node knows as of its last look, at most ``KNOWN_SECONDS`` ago. It looks only when something
happens, so that without endpoints an event costs nothing but that. What was written for an endpoint that is gone, or
wants it no more, goes when it comes due.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import partial
from time import monotonic

import msgspec
import structlog
from bson import ObjectId
from pymongo import ASCENDING, IndexModel

from domain.webhooks import KEPT_FOR, MAX_ENDPOINTS, MAX_KEPT, EventType, WebhookEndpoint, WebhookEvent
from store.concurrency import SingleFlight
from store.database import ClientSession, CollectionSchema, Database
from store.failures import repeat_unanswered, repository
from store.webhook_endpoints import NAME as ENDPOINTS
from store.webhook_endpoints import QUEUE_NUMBER, endpoint_of
from store.work_queue import WorkQueue, WorkRow

log = structlog.get_logger("webhooks")

NAME = "webhookDeliveries"
SCHEMAS = (
    CollectionSchema(
        NAME,
        (
            IndexModel([(QUEUE_NUMBER, ASCENDING), ("dueAt", ASCENDING)], name="due"),
            IndexModel(
                [(QUEUE_NUMBER, ASCENDING), ("work.since", ASCENDING)],
                name="work",
                partialFilterExpression={"work.since": {"$exists": True}},
            ),
            IndexModel(
                [("createdAt", ASCENDING)], name="kept", expireAfterSeconds=int(KEPT_FOR.total_seconds())
            ),
        ),
    ),
)
# After an endpoint was added or changed on another node.
KNOWN_SECONDS = 2.0
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


class WebhookDelivery(msgspec.Struct, frozen=True, kw_only=True):
    """``event_id``: the same at each endpoint and in each attempt. ``body``: as it is sent, byte by byte."""

    endpoint_id: str
    event_id: str
    type: EventType
    body: str


@repository
class WebhookDeliveries:
    def __init__(self, database: Database) -> None:
        self._rows = database.collection(NAME)
        self._endpoints = database.collection(ENDPOINTS)
        # One an endpoint, by its number.
        self.queues = tuple(
            WorkQueue(database, NAME, removes=True, shared={QUEUE_NUMBER: number}) for number in range(MAX_ENDPOINTS)
        )
        self._known: tuple[WebhookEndpoint, ...] = ()
        self._full: frozenset[str] = frozenset()
        self._looked_at = -math.inf
        self._looking = SingleFlight()

    async def add(self, event: WebhookEvent, *, session: ClientSession) -> None:
        """For every endpoint that wants it."""
        if monotonic() - self._looked_at >= KNOWN_SECONDS:
            await self._looking.do("look", partial(repeat_unanswered, self._look))
        wanting = [one for one in self._known if one.wants(event.type)]
        if not wanting:
            return
        common = {"event": event.id, "type": event.type, "body": event.body, "createdAt": event.at, "dueAt": event.at}
        rows = [{**common, "endpoint": ObjectId(one.id), QUEUE_NUMBER: one.queue_number} for one in wanting]
        await self._rows.insert_many(rows, session=session)

    def queue_numbers(self, kinds: Iterable[EventType]) -> list[int]:
        """Of those in which such events may have been written, as of the last look."""
        return [one.queue_number for one in self._known if any(map(one.wants, kinds))]

    def look_again(self) -> None:
        """Before the next event: something has changed."""
        self._looked_at = -math.inf

    @staticmethod
    def row(claimed: WorkRow) -> WebhookDelivery:
        found = claimed.document
        return WebhookDelivery(
            endpoint_id=str(found["endpoint"]), event_id=found["event"], type=found["type"], body=found["body"]
        )

    async def counts(self, endpoint: WebhookEndpoint) -> tuple[int, int]:
        """How many wait, and how many were given up."""
        waiting = {QUEUE_NUMBER: endpoint.queue_number, "dueAt": {"$gt": _LONG_AGO}}
        count = await self._rows.count_documents(waiting, limit=MAX_KEPT)
        # By the index alone: what was given up has no instant.
        kept = await self._rows.count_documents({QUEUE_NUMBER: endpoint.queue_number}, limit=2 * MAX_KEPT)
        return count, max(0, kept - count)

    async def replay(self, endpoint: WebhookEndpoint, given_up_by: datetime, now: datetime) -> int:
        """Make all due again that were given up by then; answers how many."""
        return await self.queues[endpoint.queue_number].replay_all(given_up_by, now)

    async def forget(self, endpoint: WebhookEndpoint) -> None:
        """Of one that is gone or turned off. What a crash leaves goes when it comes due, or after ``KEPT_FOR``."""
        await self._rows.delete_many({QUEUE_NUMBER: endpoint.queue_number, "endpoint": ObjectId(endpoint.id)})

    async def _look(self) -> None:
        began = monotonic()
        # By the driver itself: its errors have to reach the transaction that waits for this, which then tries again.
        active = await self._endpoints.find({"isActive": True}).to_list(MAX_ENDPOINTS)
        known = [endpoint_of(one) for one in active]
        full = {one.id for one in known if await self._is_full(one)}
        for one in full - self._full:
            log.error("nothing more is kept for a webhook", endpoint=one, rows=MAX_KEPT)
        self._known, self._full = tuple(one for one in known if one.id not in full), frozenset(full)
        self._looked_at = began

    async def _is_full(self, endpoint: WebhookEndpoint) -> bool:
        return await self._rows.count_documents({QUEUE_NUMBER: endpoint.queue_number}, limit=MAX_KEPT) >= MAX_KEPT
