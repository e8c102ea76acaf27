"""Codes asked for and guessed to reset a password: one document an address, of whomever it is or is not.

Everything is done in one write that every address costs, and nobody's asking or guessing takes a code away.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pymongo import ASCENDING, IndexModel, ReturnDocument

from domain import proofs
from domain.proofs import CODE_LIFETIME, Guess, PasswordReset, ResetCode
from store.database import CollectionSchema, Database, Document, filtered
from store.failures import repository

NAME = "passwordResets"
SCHEMAS = (
    CollectionSchema(NAME, (IndexModel([("goneAt", ASCENDING)], name="gone", expireAfterSeconds=0),)),
)


@repository
class PasswordResets:
    """``key``: the keyed hash of an address."""

    def __init__(self, database: Database) -> None:
        self._resets = database.collection(NAME)

    async def ask(self, key: str, nonce: str, now: datetime) -> PasswordReset:
        """With a code made of ``nonce``, or the newest renewed when that is young; as it stands now."""
        recent = now - proofs.SAME_CODE
        expires_at = now + CODE_LIFETIME
        young = {"$gt": ["$$this.madeAt", recent]}
        renewed = {"$mergeObjects": ["$$this", {"expiresAt": expires_at}]}
        new = {"nonce": {"$literal": nonce}, "madeAt": now, "expiresAt": expires_at}
        document = await self._resets.find_one_and_update(
            {"_id": key},
            [
                {"$set": {"codes": filtered("$codes", {"$gt": ["$$this.expiresAt", now]})}},
                {
                    "$set": {
                        "codes": {
                            "$cond": [
                                {"$gt": [{"$max": "$codes.madeAt"}, recent]},
                                {"$map": {"input": "$codes", "in": {"$cond": [young, renewed, "$$this"]}}},
                                {"$concatArrays": ["$codes", [new]]},
                            ]
                        },
                        "goneAt": now + proofs.GUESSES_COUNT_FOR,
                    }
                },
            ],
            upsert=True,
            return_document=ReturnDocument.AFTER,
        )
        return _from(document)

    async def guess(self, key: str, network: str, now: datetime, *, counts: bool) -> PasswordReset:
        """Count a guess of the six digits that is still taken; as it stood before it."""
        own = {"$eq": ["$$this.network", {"$literal": network}]}
        recent = {"$and": [own, {"$gt": ["$$this.at", now - CODE_LIFETIME]}]}
        taken = [
            {"$literal": counts},
            _fewer(True, proofs.GUESSES_OF_ALL_A_DAY),
            _fewer(own, proofs.GUESSES_OF_ONE_A_DAY),
            _fewer(recent, proofs.GUESSES_OF_ONE),
        ]
        more = {"$concatArrays": ["$guesses", [{"network": {"$literal": network}, "at": now}]]}
        document = await self._resets.find_one_and_update(
            {"_id": key},
            [
                {
                    "$set": {
                        "guesses": filtered("$guesses", {"$gt": ["$$this.at", now - proofs.GUESSES_COUNT_FOR]}),
                        "goneAt": now + proofs.GUESSES_COUNT_FOR,
                    }
                },
                {"$set": {"guesses": {"$cond": [{"$and": taken}, more, "$guesses"]}}},
            ],
            upsert=True,
            return_document=ReturnDocument.BEFORE,
        )
        return _from(document)

    async def use(self, key: str, code: ResetCode) -> bool:
        """Use up the code, and with it every other of the address; false when somebody was faster."""
        result = await self._resets.update_one({"_id": key, "codes.nonce": code.nonce}, {"$set": {"codes": []}})
        return bool(result.matched_count)


def _fewer(condition: Any, than: int) -> Document:
    return {"$lt": [{"$size": {"$filter": {"input": "$guesses", "cond": condition}}}, than]}


def _from(document: Document | None) -> PasswordReset:
    document = document or {}
    return PasswordReset(
        codes=[
            ResetCode(nonce=one["nonce"], expires_at=one["expiresAt"])
            for one in document.get("codes", ())
        ],
        guesses=[Guess(network=one["network"], at=one["at"]) for one in document.get("guesses", ())],
    )
