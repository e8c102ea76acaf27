"""Nodes that cannot reach Redis, and what they commit meanwhile is heard of by nobody else."""

from __future__ import annotations

from datetime import datetime

import msgspec
from pymongo import ASCENDING, IndexModel

from store.database import CollectionSchema, Database, repository

NAME = "silences"
SCHEMAS = (CollectionSchema(NAME, (IndexModel([("at", ASCENDING)], name="age"),)),)


class Silence(msgspec.Struct, frozen=True):
    """``at``: when the node last said that it lives."""

    node: str
    since: datetime
    at: datetime


@repository
class Silences:
    def __init__(self, database: Database) -> None:
        self._rows = database.collection(NAME)

    async def keep(self, silence: Silence) -> None:
        told = {"$set": {"at": silence.at}, "$setOnInsert": {"since": silence.since}}
        await self._rows.update_one({"_id": silence.node}, told, upsert=True)

    async def end(self, node: str, at: datetime | None = None) -> None:
        """``at``: only if nothing was heard of the node since."""
        await self._rows.delete_one({"_id": node} | ({} if at is None else {"at": at}))

    async def before(self, at: datetime) -> list[Silence]:
        found = await self._rows.find({"at": {"$lt": at}}).to_list(None)
        return [Silence(row["_id"], row["since"], row["at"]) for row in found]
