"""The REST surface over a database that the folder shares: each test brings people and names of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from store.database import Database
from tests.catalogue.service import CatalogueService
from tests.harness.databases import prepared_database
from tests.harness.unread_errors import no_complaints
from tests.rest.surface import Surface, serve


@pytest.fixture(scope="package")
async def shared_database(mongo_url: str) -> AsyncIterator[Database]:
    async with prepared_database(mongo_url) as database:
        yield database


@pytest.fixture(scope="package")
async def surface(shared_database: Database) -> AsyncIterator[Surface]:
    async with serve(shared_database) as served:
        yield served


@pytest.fixture
async def catalogue(surface: Surface) -> AsyncIterator[CatalogueService]:
    with no_complaints():
        yield CatalogueService(surface)
