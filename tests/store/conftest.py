"""A database with its indexes for the whole folder: each test writes to conversations of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from store.database import Database
from store.log.log import Log
from tests.conversations.databases import prepared_database


@pytest.fixture(scope="session")
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
    complaints: list[dict[str, Any]] = []
    loop = asyncio.get_running_loop()
    # Without an exception it is a client library that left something to the garbage collector.
    loop.set_exception_handler(lambda _, context: complaints.append(context) if "exception" in context else None)
    yield
    loop.set_exception_handler(None)
    assert complaints == []
