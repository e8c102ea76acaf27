"""First results of commands that carried an idempotency key, kept for ``IDEMPOTENCY_DAYS`` or for ever."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Protocol

import msgspec
from bson import ObjectId
from pymongo import ASCENDING, IndexModel
from pymongo.errors import DuplicateKeyError

from domain.errors import unavailable
from store.database import ClientSession, CollectionSchema, Database, Document
from store.failures import repository

NAME = "idempotency"
SCHEMAS = (
    CollectionSchema(
        NAME,
        (IndexModel([("user", ASCENDING), ("command", ASCENDING), ("key", ASCENDING)], name="key", unique=True),),
    ),
)
# A holder that lives renews its claim or commits with it; one that is older belongs to a node that died.
CLAIM_LASTS = timedelta(seconds=4)
_NOW: Document = {"$currentDate": {"claimedAt": True}}
_ABANDONED: Document = {
    "result": {"$exists": False},
    "$expr": {"$lt": ["$claimedAt", {"$subtract": ["$$NOW", CLAIM_LASTS // timedelta(milliseconds=1)]}]},
}
# Of a row. The first had the names of classes for scopes, digests of our own encoding, and no version.
VERSION = 2


class Scope(msgspec.Struct, frozen=True):
    """Whose key it is, and for which command: its name, and those that it went by before."""

    user_id: str
    names: tuple[str, ...]
    key: str


class Asked(msgspec.Struct, frozen=True):
    """The digest of what was asked, and what the first version would have kept in its place."""

    digest: bytes
    former: tuple[bytes, ...] = ()


class Claim(msgspec.Struct, frozen=True):
    """A claim that is the caller's, to be kept within the commit of what it is for."""

    scope: Scope
    id: str


class Keep(Protocol):
    """Keeps the result of a command within the transaction that it is called in."""

    async def __call__(self, *, session: ClientSession) -> None: ...


async def nothing(*, session: ClientSession) -> None:
    """Of a command without a key."""


class StoredResult(msgspec.Struct, frozen=True):
    """Whether another command under the key asked the same, and what it was answered; no result while it works.

    ``version``: of the result's format (``domain.stored``).
    """

    same: bool
    result: bytes | None = None
    version: int = 1


@repository
class Idempotency:
    def __init__(self, database: Database) -> None:
        self._keys = database.collection(NAME)

    async def claim(self, scope: Scope, asked: Asked, now: datetime) -> Claim | StoredResult:
        """The caller's claim, which it then has to ``keep`` with a result or to ``release``; else what is stored.

        A claim that was neither made nor renewed within ``CLAIM_LASTS`` counts as abandoned. MongoDB's own clock says
        so: those of two nodes may be apart by more.
        """
        claim = Claim(scope, str(ObjectId()))
        # Nodes of the first version, which may run beside this one, find a row by their name and compare their digest.
        row = {
            "digest": asked.former[0] if asked.former else asked.digest,
            "asked": asked.digest,
            "version": VERSION,
            "claim": ObjectId(claim.id),
        }
        named: Document = {"user": ObjectId(scope.user_id), "command": list(scope.names), "key": scope.key}
        try:
            # Under an id that nothing has: it is an insert, which alone could not ask for MongoDB's time.
            made = {"$set": {**named, **row, "createdAt": now}, **_NOW}
            await self._keys.update_one({"_id": ObjectId()}, made, upsert=True)
        except DuplicateKeyError:
            pass
        else:
            return claim
        same: Document = {
            "$or": [{"asked": asked.digest}, {"asked": {"$exists": False}, "digest": {"$in": list(asked.former)}}]
        }
        wanted = _document(scope)
        if (await self._keys.update_one({**wanted, **same, **_ABANDONED}, {"$set": row, **_NOW})).matched_count:
            return claim
        found = await self._keys.find_one(wanted)
        if found is None:
            # Released in between, or not committed by a majority yet: it counts as at work.
            return StoredResult(True)
        is_same = found["asked"] == asked.digest if "asked" in found else found["digest"] in asked.former
        return StoredResult(is_same, found.get("result"), found.get("resultVersion", 1))

    async def renew(self, claim: Claim) -> None:
        """The holder is still at work."""
        await self._keys.update_one(_claimed(claim), _NOW)

    async def keep(self, claim: Claim, result: bytes, version: int = 1) -> None:
        """Keep a result when the work is done; ``unavailable`` when the claim was taken over meanwhile."""
        await self._keep(claim, result, version, None)

    async def keep_within(self, claim: Claim, result: bytes, version: int = 1, *, session: ClientSession) -> None:
        """Keep a result in the commit that it describes; ``unavailable`` when the claim was taken over meanwhile."""
        await self._keep(claim, result, version, session)

    async def release(self, claim: Claim) -> None:
        """Only successes are remembered. A claim that was taken over is not the caller's to give back."""
        await self._keys.delete_one(_claimed(claim))

    async def forget(self, user_id: str, *, session: ClientSession) -> None:
        """Of an erased user, whose first results say what the profile said."""
        await self._keys.delete_many({"user": ObjectId(user_id)}, session=session)

    async def _keep(self, claim: Claim, result: bytes, version: int, session: ClientSession | None) -> None:
        kept = {"$set": {"result": result, "resultVersion": version}, "$unset": {"claimedAt": "", "claim": ""}}
        if not (await self._keys.update_one(_claimed(claim), kept, session=session)).matched_count:
            raise unavailable("The same command is at work under this key.")


def _claimed(claim: Claim) -> Document:
    """The claim for as long as it is its maker's."""
    return {**_document(claim.scope), "claim": ObjectId(claim.id), "result": {"$exists": False}}


def _document(scope: Scope) -> Document:
    return {"user": ObjectId(scope.user_id), "command": {"$in": list(scope.names)}, "key": scope.key}
