"""A database for many tests that keep out of each other's way by using people of their own."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

from store.database import Database
from store.schema import prepare
from store.store import SCHEMAS


def named(mongo_url: str, name: str) -> str:
    """The server's URL with another database."""
    base, mark, options = mongo_url.partition("?")
    host = base.removeprefix("mongodb://").partition("/")[0]
    return f"mongodb://{host}/{name}{mark}{options}"


def new_name() -> str:
    # The prefix and the time let tests/conftest.py find what a killed run left behind.
    return f"spotter_test_{int(time.time())}_{uuid4().hex[:12]}"


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
