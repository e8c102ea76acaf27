"""Collections and their indexes, set up at start; every step may be repeated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pymongo import IndexModel

from store.database import Database


@dataclass(frozen=True, slots=True)
class CollectionSchema:
    """A collection's name and its indexes, in the order in which they are to be made."""

    name: str
    indexes: Sequence[IndexModel]


async def prepare(database: Database, schemas: Sequence[CollectionSchema]) -> None:
    """Make what is missing. Order matters: of two violated unique indexes the first made is reported."""
    for schema in schemas:
        for index in schema.indexes:
            await database.collection(schema.name).create_indexes([index])
