"""A node that the tests of the documents share: they change nothing that another looks at."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from server.app import utc_now
from tests.harness.databases import own_database
from tests.harness.nodes import RunningNode, running_node
from tests.harness.people import People, Person


@pytest.fixture(scope="package")
async def served(
    mongo_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[RunningNode]:
    folder = tmp_path_factory.mktemp("node")
    async with own_database(mongo_url) as url, running_node(url, redis_url, folder) as node:
        yield node


@pytest.fixture(scope="package")
async def person(served: RunningNode) -> Person:
    return await People(served.node.store, served.node.tokens, utc_now).make("trainer")
