"""First results of commands that carried an idempotency key, kept for ever."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Protocol

import msgspec
from bson import ObjectId
from pymongo import ASCENDING, IndexModel
from pymongo.errors import DuplicateKeyError

from domain.errors import unavailable
from store.database import ClientSession, CollectionSchema, Database, Document, repository

NAME = "idempotency"
SCHEMAS = (
    CollectionSchema(
        NAME,
        (IndexModel([("user", ASCENDING), ("command", ASCENDING), ("key", ASCENDING)], name="key", unique=True),),
    ),
)
# Whoever claimed a key and did not come back within this time has died.
CLAIM_LASTS = timedelta(seconds=60)


class Scope(msgspec.Struct, frozen=True):
    """Whose key it is, and for which command."""

    user_id: str
    command: str
    key: str


class Receipt(msgspec.Struct, frozen=True):
    """A claim that is the caller's, to be kept within the commit of what it is for."""

    scope: Scope
    claimed_at: datetime


class Keep(Protocol):
    """Keeps the result of a command within the transaction that it is called in."""

    async def __call__(self, *, session: ClientSession) -> None: ...


async def nothing(*, session: ClientSession) -> None:
    """Of a command without a key."""


class Earlier(msgspec.Struct, frozen=True):
    """What another command under the key asked (its digest) and was answered; no result yet while it works."""

    digest: bytes
    result: bytes | None


@repository
class Idempotency:
    def __init__(self, database: Database) -> None:
        self._keys = database.collection(NAME)

    async def claim(
        self, scope: Scope, digest: bytes, now: datetime, lasting: timedelta = CLAIM_LASTS
    ) -> Earlier | None:
        """Nothing when the key is the caller's to use: it then has to ``keep`` a result or to ``release``.

        A claim made before ``lasting`` counts as abandoned.
        """
        wanted = _document(scope)
        try:
            await self._keys.insert_one({**wanted, "digest": digest, "claimedAt": now, "createdAt": now})
        except DuplicateKeyError:
            pass
        else:
            return None
        abandoned = {**wanted, "digest": digest, "result": {"$exists": False}, "claimedAt": {"$lt": now - lasting}}
        if (await self._keys.update_one(abandoned, {"$set": {"claimedAt": now}})).matched_count:
            return None
        found = await self._keys.find_one(wanted)
        # Released in between, or not committed by a majority yet: it counts as at work.
        return Earlier(found["digest"], found.get("result")) if found else Earlier(digest, None)

    async def keep(self, receipt: Receipt, result: bytes) -> None:
        """Keep a result when the work is done; ``unavailable`` when the claim was taken over meanwhile."""
        await self._keep(receipt, result, None)

    async def keep_within(self, receipt: Receipt, result: bytes, *, session: ClientSession) -> None:
        """Keep a result in the commit that it tells of; ``unavailable`` when the claim was taken over meanwhile."""
        await self._keep(receipt, result, session)

    async def release(self, receipt: Receipt) -> None:
        """Only successes are remembered. A claim that was taken over is not the caller's to give back."""
        await self._keys.delete_one(_claimed(receipt))

    async def forget(self, user_id: str, *, session: ClientSession) -> None:
        """Of an erased user, whose first results say what the profile said."""
        await self._keys.delete_many({"user": ObjectId(user_id)}, session=session)

    async def _keep(self, receipt: Receipt, result: bytes, session: ClientSession | None) -> None:
        kept = {"$set": {"result": result}, "$unset": {"claimedAt": ""}}
        if not (await self._keys.update_one(_claimed(receipt), kept, session=session)).matched_count:
            raise unavailable("The same command is at work under this key.")


def _claimed(receipt: Receipt) -> Document:
    """The claim for as long as it is its maker's."""
    return {**_document(receipt.scope), "claimedAt": receipt.claimed_at, "result": {"$exists": False}}


def _document(scope: Scope) -> Document:
    return {"user": ObjectId(scope.user_id), "command": scope.command, "key": scope.key}
