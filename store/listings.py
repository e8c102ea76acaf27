"""What search holds of each trainer: a projection, written in the transaction of whatever it follows from.

Every change writes the listing, even where it stays the same, so that of two transactions that each saw half of the
truth one has to start again. On one node they wait for each other instead (``hot``). What others give a trainer, stars,
comes after their commit (``count_ratings``), so that the trainer's own changes are in nobody's way.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from functools import partial

import msgspec
from bson import ObjectId
from pymongo import ASCENDING, DESCENDING, IndexModel

from domain.availability import days_of
from domain.catalogue import Pricing
from domain.listings import EVERYBODY, Listing, Offer, Sort, TrainerQuery, average, listing_of, priced_up_to, rated_from
from store import command_budget, pricings, specializations, users
from store.availability_documents import DAYS, windows
from store.command_budget import BUDGET_SECONDS
from store.concurrency import detached
from store.database import OWN, ClientSession, CollectionSchema, Database, Document, Hot
from store.failures import repository
from store.people import PROFILES, REACHABLE
from store.ratings import RatingChanges

NAME = "trainerListings"
# Where each order lies, and which way it runs.
_ORDERS: dict[Sort, tuple[str, int]] = {
    "rating": ("byRating", DESCENDING),
    "price": ("byPrice", ASCENDING),
    "newest": ("byAge", DESCENDING),
}
SCHEMAS = (
    CollectionSchema(
        NAME,
        tuple(IndexModel([("terms", ASCENDING), (field, way)], name=field) for field, way in _ORDERS.values()),
    ),
)
# A search whose words hardly anybody shares may walk far; it may not walk for ever.
_TIMEOUT_SECONDS = 3.0
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)


def hot(profile_id: str) -> Hot:
    """Under which transactions wait for each other that write a profile or a trainer's listing or schedule."""
    return OWN, f"profile:{profile_id}"


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """A trainer whom others may find. ``position``: in the order asked for."""

    trainer_id: str
    rating_average: float | None
    rating_count: int
    position: str = ""


@repository
class Listings:
    def __init__(self, database: Database) -> None:
        self._database = database
        self._ratings = RatingChanges(database)
        # Those that wait for their turn.
        self._counting: dict[str, asyncio.Task[None]] = {}
        self._listings = database.collection(NAME)
        self._trainers = database.collection(PROFILES["trainer"])

    async def page(self, wanted: TrainerQuery, limit: int) -> list[Listed]:
        field, way = _ORDERS[wanted.sort]
        # Without the hint the planner may take another order's index and sort what it finds there.
        found = self._listings.find(_query(wanted), _SHOWN).sort(field, way).hint(field).limit(limit)
        with command_budget.limited(_TIMEOUT_SECONDS):
            read = await found.to_list(None)
        return [_listed(one, field) for one in read]

    async def of(self, trainer_ids: Collection[str]) -> dict[str, Listed]:
        """Those of the trainers who may be found."""
        ids = [ObjectId(one) for one in trainer_ids]
        found = self._listings.find({"_id": {"$in": ids}, "terms": EVERYBODY}, _SHOWN) if ids else None
        return {str(one["_id"]): _listed(one) for one in await found.to_list(None)} if found is not None else {}

    async def rating_of(self, trainer_id: str) -> Listed:
        """Of any trainer, hidden ones included."""
        found = await self._listings.find_one({"_id": ObjectId(trainer_id)}, _SHOWN)
        return _listed(found) if found else Listed(trainer_id=trainer_id, rating_average=None, rating_count=0)

    async def refresh(self, trainer_id: str, *, session: ClientSession) -> None:
        """Derive the listing anew from what this transaction sees."""
        await self._write(trainer_id, 0, 0, session)

    async def count_ratings(self, trainer_id: str) -> None:
        """Count the stars and reviews that were committed and are not in the listing yet.

        Whoever comes while one waits for its turn is served by that one.
        """
        waiting = self._counting.get(trainer_id)
        if waiting is None:
            waiting = self._counting[trainer_id] = detached(self._count_ratings(trainer_id), BUDGET_SECONDS)
        # Whoever leaves must not take it away from the others.
        await asyncio.shield(waiting)

    async def _count_ratings(self, trainer_id: str) -> None:
        task = asyncio.current_task()

        def begun() -> None:
            if self._counting.get(trainer_id) is task:
                del self._counting[trainer_id]

        async def body(session: ClientSession) -> None:
            # From here on it sees nothing that is committed later.
            begun()
            pending = await self._ratings.pending(trainer_id, session=session)
            if pending.rows:
                await self._write(trainer_id, pending.stars, pending.reviews, session)
                await self._ratings.remove(pending.rows, session=session)

        try:
            await self._database.transaction(body, hot=[hot(trainer_id)])
        finally:
            begun()

    async def delete(self, trainer_id: str, *, session: ClientSession) -> None:
        await self._listings.delete_one({"_id": ObjectId(trainer_id)}, session=session)

    async def repair(self) -> None:
        """Listings for trainers of a time that had none. Two counters are compared, so that a start costs nothing."""
        if await self._listings.estimated_document_count() >= await self._trainers.estimated_document_count():
            return
        missing: list[Document] = [
            {"$lookup": {"from": NAME, "localField": "_id", "foreignField": "_id", "as": "listing"}},
            {"$match": {"listing": []}},
            {"$project": {"_id": 1}},
        ]
        async for trainer in self._trainers.aggregate(missing):
            trainer_id = str(trainer["_id"])
            await self._database.transaction(partial(self._refresh, trainer_id), hot=[hot(trainer_id)])

    async def derive(self, trainer_id: str) -> None:
        """The listing anew, by itself."""
        await self._database.transaction(partial(self._refresh, trainer_id), hot=[hot(trainer_id)])

    async def _refresh(self, trainer_id: str, session: ClientSession) -> None:
        await self._write(trainer_id, 0, 0, session)

    async def _write(self, trainer_id: str, stars: int, reviews: int, session: ClientSession) -> None:
        """Two operations, since whoever else writes the listing waits meanwhile."""
        key = {"_id": ObjectId(trainer_id)}
        found = await self._trainers.aggregate([{"$match": key}, *_EVERYTHING], session=session).to_list(1)
        if found:
            trainer, before = found[0], found[0]["listing"]
        else:
            trainer, before = {}, await self._listings.find(key, _RATING, session=session).to_list(1)
        total = sum(one.get("ratingSum", 0) for one in before) + stars
        count = sum(one.get("ratingCount", 0) for one in before) + reviews
        visible = bool(trainer.get("account"))
        offer = _offer(trainer_id, trainer, total, count, for_sale=visible)
        changes = listing_fields(listing_of(offer, visible=visible)) | {"ratingSum": total, "ratingCount": count}
        await self._listings.update_one(key, {"$set": changes, "$inc": {"revision": 1}}, upsert=True, session=session)


_RATING: Document = {"ratingSum": 1, "ratingCount": 1}


def _lookup(collection: str, name: str, foreign: str, local: str = "_id", *pipeline: Document) -> Document:
    return {
        "$lookup": {
            "from": collection, "localField": local, "foreignField": foreign, "pipeline": list(pipeline), "as": name,
        }
    }  # fmt: skip


# All that a listing follows from, beside the trainer's profile.
_EVERYTHING = (
    _lookup(
        users.NAME, "account", "_id", "user", {"$match": {"role": "trainer", **REACHABLE}}, {"$project": {"_id": 1}}
    ),
    _lookup(pricings.NAME, "pricing", "trainer"),
    _lookup(specializations.NAME, "offered", "trainer"),
    _lookup(DAYS, "days", "trainer"),
    _lookup(NAME, "listing", "_id", "_id", {"$project": _RATING}),
)


def _offer(trainer_id: str, trainer: Document, total: int, count: int, *, for_sale: bool) -> Offer:
    """``trainer``: as ``_EVERYTHING`` makes it, or nothing."""
    offer = Offer(
        trainer_id=trainer_id,
        created_at=trainer.get("createdAt", _NEVER),
        texts=_texts(trainer, "name", "studioName", "city", "studioCity"),
        cities=_texts(trainer, "city", "studioCity"),
        countries=_texts(trainer, "country", "studioCountry"),
        pricing=Pricing(trainer_id=trainer_id),
        rating_sum=total,
        rating_count=count,
    )
    if not for_sale:
        return offer
    offered = trainer["offered"]
    return msgspec.structs.replace(
        offer,
        pricing=pricings.pricing_from(trainer["pricing"][0]) if trainer["pricing"] else offer.pricing,
        categories=tuple(str(one["sessionCategory"]) for one in offered),
        days=tuple(day for window in windows(trainer["days"]) for day in days_of(window)),
        sub_categories=tuple(sub for one in offered for sub in one["subCategories"]),
    )


_SHOWN = {"terms": 0}


def _query(wanted: TrainerQuery) -> Document:
    conditions: list[Document] = [{"terms": _any_of(group)} for group in wanted.terms or ((EVERYBODY,),)]
    if wanted.min_rating is not None:
        conditions.append({"rating": {"$gte": wanted.min_rating}})
    if wanted.max_price is not None:
        conditions.append({"price": {"$lte": wanted.max_price}})
    field, way = _ORDERS[wanted.sort]
    bounds: Document = {}
    if wanted.after is not None:
        bounds["$gt" if way == ASCENDING else "$lt"] = wanted.after
    if wanted.sort == "rating" and wanted.min_rating is not None:
        bounds["$gte"] = rated_from(wanted.min_rating)
    if wanted.sort == "price" and wanted.max_price is not None:
        bounds["$lte"] = priced_up_to(wanted.max_price)
    return {"$and": [*conditions, {field: bounds}]} if bounds else {"$and": conditions}


def _any_of(terms: Sequence[str]) -> str | Document:
    return terms[0] if len(terms) == 1 else {"$in": list(terms)}


def _texts(document: Document, *names: str) -> tuple[str, ...]:
    return tuple(document[name] for name in names if document.get(name))


def listing_fields(listing: Listing) -> Document:
    return {
        "terms": list(listing.terms),
        "price": listing.price,
        "rating": listing.rating,
        "byRating": listing.by_rating,
        "byPrice": listing.by_price,
        "byAge": listing.by_age,
    }


def _listed(document: Document, field: str = "byRating") -> Listed:
    return Listed(
        trainer_id=str(document["_id"]),
        rating_average=average(document["ratingSum"], document["ratingCount"]),
        rating_count=document["ratingCount"],
        position=document[field],
    )
