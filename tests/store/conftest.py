"""A database with its indexes for the whole folder: each test writes to conversations of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from store.database import Database
from store.log.log import Log
from tests.harness.databases import prepared_database
from tests.harness.unread_errors import no_complaints


@pytest.fixture(scope="package")
async def shared_database(mongo_url: str) -> AsyncIterator[Database]:
    async with prepared_database(mongo_url) as database:
        yield database


@pytest.fixture
async def log(shared_database: Database) -> AsyncIterator[Log]:
    log = Log(shared_database)
    yield log
    await log.drain()


@pytest.fixture(autouse=True)
async def no_complaint() -> AsyncIterator[None]:
    """Whatever a background task raised and nobody read fails the test."""
    with no_complaints():
        yield
