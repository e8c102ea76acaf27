"""One prepared database a test process, emptied after each test.

MongoDB keeps the files of a dropped collection open for five minutes; a database of its own for each of a few hundred
tests ends with a server that has run out of file handles.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from store.database import Database


@pytest.fixture(scope="session")
async def kept_database(mongo_url: str) -> AsyncIterator[Database]:
    base, mark, options = mongo_url.partition("?")
    host, _, _ = base.removeprefix("mongodb://").partition("/")
    kept = Database(f"mongodb://{host}/spotter_test_{int(time.time())}_{uuid4().hex[:12]}{mark}{options}")
    yield kept
    await kept.client.drop_database(kept.db.name)
    kept.close()


@pytest.fixture
async def database(kept_database: Database) -> AsyncIterator[Database]:
    yield kept_database
    for name in await kept_database.db.list_collection_names():
        await kept_database.collection(name).delete_many({})
