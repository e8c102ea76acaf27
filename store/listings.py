"""What search holds of each trainer: a projection, written in the transaction of whatever it follows from.

Every change writes the listing, even where it stays the same, so that of two transactions that each saw half of the
truth one has to start again.
"""

from __future__ import annotations

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
from store.database import ClientSession, CollectionSchema, Database, Document
from store.failures import repository
from store.people import PROFILES, REACHABLE

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
_PATIENCE_SECONDS = 3.0
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)


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
        self._listings = database.collection(NAME)
        self._trainers = database.collection(PROFILES["trainer"])
        self._users = database.collection(users.NAME)
        self._pricings = database.collection(pricings.NAME)
        self._specializations = database.collection(specializations.NAME)
        self._days = database.collection(DAYS)

    async def page(self, wanted: TrainerQuery, limit: int) -> list[Listed]:
        field, way = _ORDERS[wanted.sort]
        # Without the hint the planner may take another order's index and sort what it finds there.
        found = self._listings.find(_query(wanted), _SHOWN).sort(field, way).hint(field).limit(limit)
        with command_budget.limited(_PATIENCE_SECONDS):
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

    async def rate(self, trainer_id: str, *, stars: int, reviews: int, session: ClientSession) -> None:
        """So many stars and reviews more, or fewer."""
        await self._write(trainer_id, stars, reviews, session)

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
            await self._database.transaction(partial(self._refresh, str(trainer["_id"])))

    async def derive(self, trainer_id: str) -> None:
        """The listing anew, by itself."""
        await self._database.transaction(partial(self._refresh, trainer_id))

    async def _refresh(self, trainer_id: str, session: ClientSession) -> None:
        await self._write(trainer_id, 0, 0, session)

    async def _write(self, trainer_id: str, stars: int, reviews: int, session: ClientSession) -> None:
        key = {"_id": ObjectId(trainer_id)}
        before = await self._listings.find_one(key, {"ratingSum": 1, "ratingCount": 1}, session=session) or {}
        total, count = before.get("ratingSum", 0) + stars, before.get("ratingCount", 0) + reviews
        offer, visible = await self._offer(trainer_id, total, count, session)
        changes = listing_fields(listing_of(offer, visible=visible)) | {"ratingSum": total, "ratingCount": count}
        await self._listings.update_one(key, {"$set": changes, "$inc": {"revision": 1}}, upsert=True, session=session)

    async def _offer(self, trainer_id: str, total: int, count: int, session: ClientSession) -> tuple[Offer, bool]:
        trainer = await self._trainers.find_one({"_id": ObjectId(trainer_id)}, session=session) or {}
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
        state: Document = {"_id": trainer.get("user"), "role": "trainer", **REACHABLE}
        if not trainer or await self._users.find_one(state, {"_id": 1}, session=session) is None:
            return offer, False
        return await self._with_sale(offer, session), True

    async def _with_sale(self, offer: Offer, session: ClientSession) -> Offer:
        trainer = ObjectId(offer.trainer_id)
        pricing = await self._pricings.find_one({"trainer": trainer}, session=session)
        offered = await self._specializations.find({"trainer": trainer}, session=session).to_list(None)
        days = await self._days.find({"trainer": trainer}, session=session).to_list(None)
        return msgspec.structs.replace(
            offer,
            pricing=offer.pricing if pricing is None else pricings.pricing_from(pricing),
            categories=tuple(str(one["sessionCategory"]) for one in offered),
            days=tuple(day for window in windows(days) for day in days_of(window)),
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
