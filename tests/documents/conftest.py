"""A node that the tests of the documents share: they change nothing that another looks at."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from pymongo import AsyncMongoClient

from server.app import utc_now
from tests.harness.databases import named, new_name
from tests.harness.nodes import RunningNode, running_node
from tests.harness.people import People, Person


@pytest.fixture(scope="package")
async def served(
    mongo_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[RunningNode]:
    name = new_name()
    async with running_node(named(mongo_url, name), redis_url, tmp_path_factory.mktemp("node")) as node:
        yield node
    client: AsyncMongoClient[dict[str, object]] = AsyncMongoClient(mongo_url)
    async with client:
        await client.drop_database(name)


@pytest.fixture(scope="package")
async def person(served: RunningNode) -> Person:
    return await People(served.node.store, served.node.tokens, utc_now).make("trainer")
