"""A database, people in it, and a running program, for the tests of several workers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from server.app import utc_now
from server.security.tokens import AccessTokens
from store.database import Database
from store.store import Store
from tests.harness.databases import own_database
from tests.harness.nodes import SECRET
from tests.harness.people import People


@dataclass(frozen=True)
class WorkersProgram:
    """``environ``: what ``run.py`` has to be told to use the same servers."""

    people: People
    environ: dict[str, str]


@asynccontextmanager
async def workers_program(mongo_url: str, redis_url: str) -> AsyncIterator[WorkersProgram]:
    async with own_database(mongo_url) as url:
        database = Database(url)
        try:
            people = People(Store(database), AccessTokens(SECRET), utc_now)
            yield WorkersProgram(people, {"MONGO_URL": url, "REDIS_URL": redis_url})
        finally:
            database.close()
