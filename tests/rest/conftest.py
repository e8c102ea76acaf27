"""The REST surface as tests use it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from store.database import Database
from tests.rest.surface import Surface, serve


@pytest.fixture
async def surface(database: Database) -> AsyncIterator[Surface]:
    """With rate limits far away."""
    async with serve(database) as served:
        yield served


@pytest.fixture
async def limited(database: Database) -> AsyncIterator[Surface]:
    """With the rate limits of production."""
    async with serve(database, rate_limit_scale=1) as served:
        yield served
