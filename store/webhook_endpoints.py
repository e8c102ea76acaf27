"""Where outbound webhooks go, as administrators set it up. Secrets are not here: they follow from the server's key.

The number of an endpoint's queue is its own, and there are as many as there may be endpoints: their unique index is the
limit, however many administrators add one at once.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from bson import ObjectId
from pymongo import ASCENDING, IndexModel, ReturnDocument
from pymongo.errors import DuplicateKeyError

from domain.errors import Code, DomainError, not_found
from domain.webhooks import MAX_ENDPOINTS, EventType, Failure, LastFailure, WebhookEndpoint
from store.audit import AuditWriter
from store.database import SHARED, ClientSession, CollectionSchema, Database, Document, Hot
from store.failures import ChangedMeanwhile, decided_anew, repository
from store.idempotency import Keep

NAME = "webhookEndpoints"
# Stored, here and with each delivery, under the name that ``queue_number`` had at first, as is the index.
QUEUE_NUMBER = "lane"
SCHEMAS = (CollectionSchema(NAME, (IndexModel([(QUEUE_NUMBER, ASCENDING)], name="lane", unique=True),)),)
# Whoever adds an endpoint waits for who does the same on this node.
_HOT: Hot = (SHARED, NAME)


@repository
class WebhookEndpoints:
    def __init__(self, database: Database) -> None:
        self._database = database
        self._rows = database.collection(NAME)

    @staticmethod
    def new_id() -> str:
        return str(ObjectId())

    async def all(self) -> list[WebhookEndpoint]:
        """The oldest first."""
        found = await self._rows.find().sort("_id", ASCENDING).to_list(MAX_ENDPOINTS)
        return [endpoint_of(one) for one in found]

    async def by_id(self, endpoint_id: str) -> WebhookEndpoint | None:
        found = await self._rows.find_one({"_id": ObjectId(endpoint_id)})
        return None if found is None else endpoint_of(found)

    @decided_anew
    async def add(
        self,
        endpoint_id: str,
        url: str,
        events: tuple[EventType, ...],
        now: datetime,
        keep: Callable[[WebhookEndpoint], Keep],
        audit: AuditWriter,
    ) -> WebhookEndpoint:
        """Raises ``conflict`` when there are as many as there may be."""

        async def body(session: ClientSession) -> WebhookEndpoint:
            taken = {one[QUEUE_NUMBER] async for one in self._rows.find({}, {QUEUE_NUMBER: 1}, session=session)}
            free = [number for number in range(MAX_ENDPOINTS) if number not in taken]
            if not free:
                raise DomainError(Code.CONFLICT, f"There are {MAX_ENDPOINTS} endpoints; remove one first.")
            added = WebhookEndpoint(
                id=endpoint_id, queue_number=free[0], url=url, events=events, created_at=now, updated_at=now
            )
            await self._rows.insert_one(_document(added), session=session)
            await audit(None, audited(added), session=session)
            await keep(added)(session=session)
            return added

        try:
            return await self._database.transaction(body, hot=[_HOT])
        except DuplicateKeyError as error:
            # Another node has taken the number.
            raise ChangedMeanwhile from error

    async def change(
        self,
        endpoint_id: str,
        now: datetime,
        keep: Callable[[WebhookEndpoint], Keep],
        audit: AuditWriter,
        *,
        url: str | None = None,
        events: tuple[EventType, ...] | None = None,
        is_active: bool | None = None,
        rotate: bool = False,
        replays: bool = False,
    ) -> WebhookEndpoint:
        """What is not said stays. Raises ``not_found``."""
        set_to: Document = {"updatedAt": now}
        if url is not None:
            # What failed was another's.
            set_to |= {"url": url, "failures": 0, "lastFailure": None}
        if events is not None:
            set_to["events"] = list(events)
        if is_active is not None:
            set_to["isActive"] = is_active
        update: Document = {"$set": set_to}
        if rotate:
            set_to["rotatedAt"] = now
            update["$inc"] = {"generation": 1}

        async def body(session: ClientSession) -> WebhookEndpoint:
            key = {"_id": ObjectId(endpoint_id)}
            before = await self._rows.find_one(key, session=session)
            after = await self._rows.find_one_and_update(
                key, update, return_document=ReturnDocument.AFTER, session=session
            )
            if before is None or after is None:
                raise not_found("webhook")
            was, is_now = audited(endpoint_of(before)), audited(endpoint_of(after))
            changed = [name for name in was if was[name] != is_now[name]]
            after_it = {name: is_now[name] for name in changed} | ({"replayed": True} if replays else {})
            if after_it:
                await audit({name: was[name] for name in changed}, after_it, session=session)
            changed_to = endpoint_of(after)
            await keep(changed_to)(session=session)
            return changed_to

        return await self._database.transaction(body)

    async def remove(self, endpoint_id: str, keep: Keep, audit: AuditWriter) -> WebhookEndpoint:
        """Raises ``not_found``."""

        async def body(session: ClientSession) -> WebhookEndpoint:
            found = await self._rows.find_one_and_delete({"_id": ObjectId(endpoint_id)}, session=session)
            if found is None:
                raise not_found("webhook")
            removed = endpoint_of(found)
            await audit(audited(removed), None, session=session)
            await keep(session=session)
            return removed

        return await self._database.transaction(body)

    async def failed(self, endpoint_id: str, failure: Failure, now: datetime) -> None:
        last = {"reason": failure.reason, "status": failure.status, "at": now}
        await self._rows.update_one(
            {"_id": ObjectId(endpoint_id)}, {"$set": {"lastFailure": last}, "$inc": {"failures": 1}}
        )

    async def answered(self, endpoint: WebhookEndpoint) -> None:
        """A delivery was taken."""
        if endpoint.failures:
            await self._rows.update_one({"_id": ObjectId(endpoint.id)}, {"$set": {"failures": 0}})


def audited(endpoint: WebhookEndpoint) -> dict[str, object]:
    """Of the URL only where it leads: what follows can be a secret of the receiver's."""
    return {
        "origin": "/".join(endpoint.url.partition("?")[0].split("/")[:3]),
        "events": list(endpoint.events),
        "isActive": endpoint.is_active,
        "secret": endpoint.generation,
    }


def _document(endpoint: WebhookEndpoint) -> Document:
    return {
        "_id": ObjectId(endpoint.id),
        QUEUE_NUMBER: endpoint.queue_number,
        "url": endpoint.url,
        "events": list(endpoint.events),
        "isActive": endpoint.is_active,
        "generation": endpoint.generation,
        "rotatedAt": endpoint.rotated_at,
        "failures": endpoint.failures,
        "lastFailure": None,
        "createdAt": endpoint.created_at,
        "updatedAt": endpoint.updated_at,
    }


def endpoint_of(document: Document) -> WebhookEndpoint:
    """Of a stored row."""
    last = document["lastFailure"]
    return WebhookEndpoint(
        id=str(document["_id"]),
        queue_number=document[QUEUE_NUMBER],
        url=document["url"],
        events=tuple(document["events"]),
        is_active=document["isActive"],
        generation=document["generation"],
        rotated_at=document["rotatedAt"],
        failures=document["failures"],
        last_failure=None if last is None else LastFailure(Failure(last["reason"], last["status"]), last["at"]),
        created_at=document["createdAt"],
        updated_at=document["updatedAt"],
    )
