"""The REST surface as tests use it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from store.database import Database
from tests.harness.databases import prepared_database
from tests.rest.surface import Surface, serve


@pytest.fixture(scope="package")
async def shared_surface(mongo_url: str) -> AsyncIterator[Surface]:
    async with prepared_database(mongo_url) as database, serve(database) as served:
        yield served


@pytest.fixture
async def surface(shared_surface: Surface) -> AsyncIterator[Surface]:
    """With rate limits far away. What a test did with it is undone behind it."""
    yield shared_surface
    await shared_surface.forget()


@pytest.fixture
async def limited(database: Database) -> AsyncIterator[Surface]:
    """With the rate limits of production."""
    async with serve(database, rate_limit_scale=1) as served:
        yield served
