"""The Review table, with the booking that each review is of, and in the same commit what it changes of the rating."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from datetime import datetime

from bson import ObjectId
from pymongo import ASCENDING, DESCENDING, IndexModel, ReturnDocument
from pymongo.errors import DuplicateKeyError

from domain.catalogue import Review
from domain.errors import Code, DomainError
from domain.webhooks import of_review
from store import bookings
from store.audit import AuditWriter
from store.command_budget import BUDGET_SECONDS, remaining
from store.concurrency import detached
from store.database import ClientSession, CollectionSchema, Database, Document
from store.failures import repository
from store.idempotency import Keep
from store.listings import Listings
from store.ratings import RatingChanges
from store.webhook_deliveries import WebhookDeliveries

NAME = "reviews"
# As long as a transaction is tried.
COUNTED_WITHIN_SECONDS = 2.0
SCHEMAS = (
    CollectionSchema(
        NAME,
        (
            IndexModel([("booking", ASCENDING)], name="booking", unique=True),
            # For exports and erasures.
            IndexModel([("client", ASCENDING)], name="client"),
            IndexModel(
                [("trainer", ASCENDING), ("createdAt", DESCENDING), ("_id", DESCENDING)], name="newestOfTrainer"
            ),
        ),
    ),
)


@repository
class Reviews:
    """Whoever changes a review waits until the rating shows it, unless that takes long: then it follows."""

    def __init__(
        self, database: Database, listings: Listings, ratings: RatingChanges, webhooks: WebhookDeliveries
    ) -> None:
        self._database = database
        self._reviews = database.collection(NAME)
        self._bookings = database.collection(bookings.NAME)
        self._listings = listings
        self._ratings = ratings
        self._webhooks = webhooks

    @staticmethod
    def new_id() -> str:
        return str(ObjectId())

    async def by_id(self, review_id: str) -> Review | None:
        found = await self._reviews.find_one({"_id": ObjectId(review_id)})
        return _review(found) if found else None

    async def page(self, trainer_id: str, before: tuple[datetime, str] | None, limit: int) -> list[Review]:
        """Newest first."""
        query: Document = {"trainer": ObjectId(trainer_id)}
        if before is not None:
            at, last = before
            query["$or"] = [{"createdAt": {"$lt": at}}, {"createdAt": at, "_id": {"$lt": ObjectId(last)}}]
        newest = [("createdAt", DESCENDING), ("_id", DESCENDING)]
        return [_review(one) for one in await self._reviews.find(query).sort(newest).limit(limit).to_list(None)]

    async def has(self, booking_id: str, *, session: ClientSession | None = None) -> bool:
        """Whether the booking has its review."""
        return await self._reviews.find_one({"booking": ObjectId(booking_id)}, {"_id": 1}, session=session) is not None

    async def of_bookings(self, booking_ids: Collection[str]) -> dict[str, str]:
        """The id of each booking's review, where it has one."""
        if not booking_ids:
            return {}
        query = {"booking": {"$in": [ObjectId(one) for one in booking_ids]}}
        found = await self._reviews.find(query, {"booking": 1}).to_list(None)
        return {str(one["booking"]): str(one["_id"]) for one in found}

    async def add(self, review: Review, keep: Keep) -> bool:
        """False when the booking has its review; raises ``conflict`` when it is not completed, or no longer."""

        async def body(session: ClientSession) -> None:
            await self._reviews.insert_one(_document(review), session=session)
            # A write, so that of this and a no-show one has to begin again, and sees the other.
            completed: Document = {"_id": ObjectId(review.booking_id), "status": "completed"}
            noted = await self._bookings.update_one(
                completed, {"$set": {"reviewedAt": review.created_at}, **bookings.CHANGED}, session=session
            )
            if not noted.matched_count:
                raise not_completed()
            await self._ratings.add(
                review.trainer_id, stars=review.rating, reviews=1, now=review.updated_at, session=session
            )
            await self._webhooks.add(of_review(review), session=session)
            await keep(session=session)

        try:
            await self._database.transaction(body)
        except DuplicateKeyError:
            return False
        await self._ratings_counted(review.trainer_id)
        return True

    async def update(self, review_id: str, changes: Mapping[str, object], now: datetime) -> Review | None:
        """By stored names; nothing when it is gone."""

        async def body(session: ClientSession) -> Review | None:
            before = await self._reviews.find_one({"_id": ObjectId(review_id)}, session=session)
            after = await self._reviews.find_one_and_update(
                {"_id": ObjectId(review_id)},
                {"$set": {**changes, "updatedAt": now}},
                return_document=ReturnDocument.AFTER,
                session=session,
            )
            if before is None or after is None:
                return None
            stars = after["rating"] - before["rating"]
            if stars:
                await self._ratings.add(str(after["trainer"]), stars=stars, reviews=0, now=now, session=session)
            return _review(after)

        updated = await self._database.transaction(body)
        if updated is not None and "rating" in changes:
            await self._ratings_counted(updated.trainer_id)
        return updated

    async def delete(self, review_id: str, keep: Keep, now: datetime, audit: AuditWriter | None = None) -> bool:
        """False when it is gone. ``audit``: of an administrator's act."""

        async def body(session: ClientSession) -> str | None:
            found = await self._reviews.find_one_and_delete({"_id": ObjectId(review_id)}, session=session)
            if found is None:
                return None
            trainer_id = str(found["trainer"])
            await self._bookings.update_one({"_id": found["booking"]}, bookings.CHANGED, session=session)
            await self._ratings.add(trainer_id, stars=-found["rating"], reviews=-1, now=now, session=session)
            if audit is not None:
                # What its author wrote would outlive the author here.
                await audit({"rating": found["rating"], "booking": str(found["booking"])}, None, session=session)
            await keep(session=session)
            return trainer_id

        trainer_id = await self._database.transaction(body)
        if trainer_id is not None:
            await self._ratings_counted(trainer_id)
        return trainer_id is not None

    async def forget(self, client_id: str, now: datetime, *, session: ClientSession) -> None:
        """Of an erased client the stars stay, as they are in a rating; the words go."""
        words = {"client": ObjectId(client_id), "comment": {"$ne": None}}
        await self._reviews.update_many(words, {"$set": {"comment": None, "updatedAt": now}}, session=session)

    async def _ratings_counted(self, trainer_id: str) -> None:
        """Should it fail, the rows that are left are durable work."""
        counting = detached(self._listings.count_ratings(trainer_id), BUDGET_SECONDS)
        await asyncio.wait([counting], timeout=max(0.0, min(COUNTED_WITHIN_SECONDS, remaining())))


def not_completed() -> DomainError:
    return DomainError(Code.CONFLICT, "Only a completed session can be reviewed.")


def _document(review: Review) -> Document:
    return {
        "_id": ObjectId(review.id),
        "booking": ObjectId(review.booking_id),
        "trainer": ObjectId(review.trainer_id),
        "client": ObjectId(review.client_id),
        "rating": review.rating,
        "comment": review.comment,
        "createdAt": review.created_at,
        "updatedAt": review.updated_at,
    }


def _review(document: Document) -> Review:
    return Review(
        id=str(document["_id"]),
        booking_id=str(document["booking"]),
        trainer_id=str(document["trainer"]),
        client_id=str(document["client"]),
        rating=document["rating"],
        comment=document.get("comment"),
        created_at=document["createdAt"],
        updated_at=document["updatedAt"],
    )
