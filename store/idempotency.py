"""First results of commands that carried an idempotency key, kept for ever."""

from __future__ import annotations

from datetime import datetime

import msgspec
from bson import ObjectId
from pymongo import ASCENDING, IndexModel
from pymongo.errors import DuplicateKeyError

from store.database import Database, Document
from store.failures import repository
from store.schema import CollectionSchema

NAME = "idempotency"
SCHEMAS = (
    CollectionSchema(
        NAME,
        (IndexModel([("user", ASCENDING), ("command", ASCENDING), ("key", ASCENDING)], name="key", unique=True),),
    ),
)


class FirstResult(msgspec.Struct, frozen=True):
    """What the first command under a key asked (its digest) and was answered (JSON)."""

    digest: bytes
    result: bytes


@repository
class Idempotency:
    def __init__(self, database: Database) -> None:
        self._results = database.collection(NAME)

    async def first(self, user_id: str, command: str, key: str) -> FirstResult | None:
        found = await self._results.find_one(_scope(user_id, command, key))
        return FirstResult(found["digest"], found["result"]) if found else None

    async def remember(self, user_id: str, command: str, key: str, first: FirstResult, now: datetime) -> FirstResult:
        """Keep a result, unless there is one already: answers the one that is kept."""
        try:
            await self._results.insert_one(
                {
                    **_scope(user_id, command, key),
                    "digest": first.digest,
                    "result": first.result,
                    "createdAt": now,
                }
            )
        except DuplicateKeyError:
            return await self.first(user_id, command, key) or first
        return first


def _scope(user_id: str, command: str, key: str) -> Document:
    return {"user": ObjectId(user_id), "command": command, "key": key}
