"""Tries to sign in, one document an address, of whomever it is or is not: how many failed lately, and from which
networks its owner has signed in.

Everything is done in one write that every try costs. A network that the owner signs in from is never counted, so that
no stranger keeps the owner out.
"""

from __future__ import annotations

from datetime import datetime

from pymongo import ASCENDING, IndexModel, ReturnDocument

from domain import proofs
from domain.proofs import SignInTries
from store.database import CollectionSchema, Database, Document, filtered
from store.failures import repository

NAME = "signInTries"
SCHEMAS = (
    CollectionSchema(NAME, (IndexModel([("goneAt", ASCENDING)], name="gone", expireAfterSeconds=0),)),
)


@repository
class SignInTryCounts:
    """``key``: the keyed hash of an address; ``network``: one of a network."""

    def __init__(self, database: Database) -> None:
        self._tries = database.collection(NAME)

    async def begin(self, key: str, network: str, now: datetime) -> SignInTries:
        """Count a try of a network that is not the owner's, while any are taken; as it stood before it."""
        recent = {"$gt": ["$$this.at", now - proofs.SIGN_INS_COUNT_FOR]}
        known = {"$in": [{"$literal": network}, "$known.network"]}
        full = {"$gte": [{"$size": "$tries"}, proofs.STRANGERS_SIGN_INS]}
        more = {"$concatArrays": ["$tries", [{"network": {"$literal": network}, "at": now}]]}
        document = await self._tries.find_one_and_update(
            {"_id": key},
            [
                {"$set": {
                    "tries": filtered("$tries", recent),
                    "known": filtered("$known", {"$gt": ["$$this.at", now - proofs.NETWORK_KNOWN_FOR]}),
                    "goneAt": {"$max": ["$goneAt", now + proofs.SIGN_INS_COUNT_FOR]},
                }},
                {"$set": {"tries": {"$cond": [{"$or": [known, full]}, "$tries", more]}}},
            ],
            upsert=True,
            return_document=ReturnDocument.BEFORE,
        )  # fmt: skip
        return _from(document)

    async def succeed(self, key: str, network: str, now: datetime) -> None:
        """Whoever tries from there owns the address: what the network failed is not counted."""
        others = {"$ne": ["$$this.network", {"$literal": network}]}
        newest = {"$slice": [filtered("$known", others), 1 - proofs.KNOWN_NETWORKS]}
        await self._tries.update_one(
            {"_id": key},
            [{"$set": {
                "tries": filtered("$tries", others),
                "known": {"$concatArrays": [newest, [{"network": {"$literal": network}, "at": now}]]},
                "goneAt": now + proofs.NETWORK_KNOWN_FOR,
            }}],
            upsert=True,
        )  # fmt: skip

    async def forget(self, key: str) -> None:
        await self._tries.delete_one({"_id": key})


def _from(document: Document | None) -> SignInTries:
    document = document or {}
    return SignInTries(
        tried_at=[one["at"] for one in document.get("tries", ())],
        known={one["network"]: one["at"] for one in document.get("known", ())},
    )
