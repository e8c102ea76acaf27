"""Stars that reviews gave and took, until they are in the trainer's listing.

A review and what it changes of the rating are one commit, which touches nothing that anybody else writes: a listing is
written by whatever its trainer does. What was committed goes into the listing right after, once
(``Listings.count_ratings``); rows that stay because a node died are durable work.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from bson import ObjectId
from pymongo import ASCENDING, IndexModel

from store.database import ClientSession, CollectionSchema, Database
from store.failures import repository
from store.work_queue import WorkQueue, WorkRow, work_indexes

NAME = "ratingChanges"
# A node that lives has settled what it committed long before that.
ABANDONED_AFTER = timedelta(seconds=5)
SCHEMAS = (CollectionSchema(NAME, (IndexModel([("trainer", ASCENDING)], name="trainer"), *work_indexes())),)


@dataclass(frozen=True, slots=True)
class PendingRating:
    """``rows``: what the sums are of."""

    stars: int
    reviews: int
    rows: tuple[Any, ...]


@repository
class RatingChanges:
    def __init__(self, database: Database) -> None:
        self._rows = database.collection(NAME)
        self.queue = WorkQueue(database, NAME, removes=True)

    async def add(
        self, trainer_id: str, *, stars: int, reviews: int, now: datetime, session: ClientSession
    ) -> None:
        """So many stars and reviews more, or fewer."""
        row = {"trainer": ObjectId(trainer_id), "stars": stars, "reviews": reviews, "dueAt": now + ABANDONED_AFTER}
        await self._rows.insert_one(row, session=session)

    async def pending(self, trainer_id: str, *, session: ClientSession) -> PendingRating:
        found = await self._rows.find({"trainer": ObjectId(trainer_id)}, session=session).to_list(None)
        stars, reviews = sum(row["stars"] for row in found), sum(row["reviews"] for row in found)
        return PendingRating(stars, reviews, tuple(row["_id"] for row in found))

    async def remove(self, rows: Collection[Any], *, session: ClientSession) -> None:
        """Within the transaction that read them: who was slower begins again and finds none."""
        await self._rows.delete_many({"_id": {"$in": list(rows)}}, session=session)

    @staticmethod
    def trainer_of(claimed: WorkRow) -> str:
        return str(claimed.document["trainer"])
