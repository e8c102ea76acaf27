"""The Pricing table: one row a trainer."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

from bson import ObjectId
from pymongo import ASCENDING, IndexModel

from domain.catalogue import Pricing
from store.database import ClientSession, CollectionSchema, Database, Document
from store.failures import repository

NAME = "pricings"
SCHEMAS = (CollectionSchema(NAME, (IndexModel([("trainer", ASCENDING)], name="trainer", unique=True),)),)

# The names of schema.dbml, its spellings included.
FIELDS: dict[str, str] = {
    "free_trial": "freeTrial",
    "weekly_trial_limit": "weeklyTrialLimit",
    "cancellation_policy": "cancelReshedulePolicy",
    "individual_session_price": "individualSessionPrice",
    "is_individual_session_available": "isIndividualSesionAvailable",
    "five_session_price": "fiveSessionPrice",
    "is_five_session_available": "isFiveSessionAvailable",
    "ten_session_price": "tenSessionPrice",
    "is_ten_session_available": "isTenSessionAvailable",
}
assert {"trainer_id", "updated_at", *FIELDS} == set(Pricing.__struct_fields__)


@repository
class Pricings:
    def __init__(self, database: Database) -> None:
        self._pricings = database.collection(NAME)

    async def of(self, trainer_id: str) -> Pricing:
        """What the trainer sells: nothing, until something was said."""
        found = await self._pricings.find_one({"trainer": ObjectId(trainer_id)})
        return Pricing(trainer_id=trainer_id) if found is None else pricing_from(found)

    async def of_many(self, trainer_ids: Collection[str]) -> dict[str, Pricing]:
        """Of each trainer; those who said nothing are in it too."""
        query = {"trainer": {"$in": [ObjectId(one) for one in trainer_ids]}}
        found = [pricing_from(one) for one in await self._pricings.find(query).to_list(None)]
        return {one: Pricing(trainer_id=one) for one in trainer_ids} | {one.trainer_id: one for one in found}

    async def put(self, pricing: Pricing, now: datetime, *, session: ClientSession) -> None:
        values: Document = {field: getattr(pricing, name) for name, field in FIELDS.items()}
        await self._pricings.update_one(
            {"trainer": ObjectId(pricing.trainer_id)},
            {"$set": {**values, "updatedAt": now}, "$setOnInsert": {"createdAt": now}},
            upsert=True,
            session=session,
        )

    async def delete(self, trainer_id: str, *, session: ClientSession) -> None:
        await self._pricings.delete_one({"trainer": ObjectId(trainer_id)}, session=session)


def pricing_from(document: Document) -> Pricing:
    stored: dict[str, Any] = {name: document[field] for name, field in FIELDS.items() if field in document}
    return Pricing(trainer_id=str(document["trainer"]), updated_at=document.get("updatedAt"), **stored)
