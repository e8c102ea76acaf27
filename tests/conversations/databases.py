"""A database for many tests that keep out of each other's way by using people of their own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from store.database import Database, prepare
from store.store import SCHEMAS
from tests.harness.databases import named, new_name


@asynccontextmanager
async def prepared_database(mongo_url: str) -> AsyncIterator[Database]:
    """An empty database with its indexes, dropped at the end."""
    database = Database(named(mongo_url, new_name()))
    try:
        await prepare(database, SCHEMAS)
        yield database
    finally:
        await database.client.drop_database(database.db.name)
        database.close()
