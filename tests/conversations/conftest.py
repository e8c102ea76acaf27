"""One node and one database for the whole folder: each test brings people of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pymongo import AsyncMongoClient

from store.database import Database
from tests.conversations.databases import prepared_database
from tests.conversations.stage import Stage
from tests.harness.complaints import no_complaints
from tests.harness.databases import named, new_name
from tests.harness.nodes import Running, running_node


@pytest.fixture(scope="session")
async def running(
    mongo_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Running]:
    """A node that all tests here share."""
    name = new_name()
    data_dir: Path = tmp_path_factory.mktemp("node")
    async with running_node(named(mongo_url, name), redis_url, data_dir) as node:
        yield node
    client: AsyncMongoClient[dict[str, object]] = AsyncMongoClient(mongo_url)
    async with client:
        await client.drop_database(name)


@pytest.fixture(scope="session")
async def shared_database(mongo_url: str) -> AsyncIterator[Database]:
    async with prepared_database(mongo_url) as database:
        yield database


@pytest.fixture
async def stage(shared_database: Database) -> AsyncIterator[Stage]:
    stage = Stage(shared_database)
    yield stage
    await stage.store.drain()


@pytest.fixture(autouse=True)
async def no_complaint() -> AsyncIterator[None]:
    """Whatever a background task raised and nobody read fails the test."""
    with no_complaints():
        yield
