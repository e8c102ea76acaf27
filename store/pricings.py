"""The Pricing table: one row a trainer."""

from __future__ import annotations

from typing import Any

import msgspec
from bson import ObjectId
from pymongo import ASCENDING, IndexModel

from domain.pricing import Pricing
from store.database import Database, Document
from store.failures import repository
from store.schema import CollectionSchema

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
assert {"trainer_id", *FIELDS} == set(Pricing.__struct_fields__)


@repository
class Pricings:
    def __init__(self, database: Database) -> None:
        self._pricings = database.collection(NAME)

    async def of(self, trainer_id: str) -> Pricing:
        """What the trainer sells: nothing, until something was said."""
        found = await self._pricings.find_one({"trainer": ObjectId(trainer_id)})
        return Pricing(trainer_id=trainer_id) if found is None else pricing_from(found)


def pricing_from(document: Document) -> Pricing:
    stored: dict[str, Any] = {name: document[field] for name, field in FIELDS.items() if field in document}
    return msgspec.structs.replace(Pricing(trainer_id=str(document["trainer"])), **stored)
