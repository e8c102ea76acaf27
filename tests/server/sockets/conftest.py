"""What most of these tests start from."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import pytest

from server.app import utc_now
from store.database import Database
from tests.harness.nodes import RunningNode, running_node
from tests.harness.people import People
from tests.harness.unread_errors import no_complaints
from tests.harness.waiting import until
from tests.server.sockets.world import World, world


@pytest.fixture(autouse=True, scope="module")
async def nothing_fails_unseen() -> AsyncIterator[None]:
    """No task or callback of a module ends in an error that nobody handles."""
    with no_complaints():
        yield
        gc.collect()
        await asyncio.sleep(0)


@pytest.fixture(scope="module")
async def shared(
    mongo_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[RunningNode]:
    """One node for a whole module, whose tests make people of their own and leave nobody connected."""
    data = tmp_path_factory.mktemp("node")
    async with _own_database(mongo_url) as url, running_node(url, redis_url, data) as running:
        yield running
        # Of a socket whose end did not arrive the server learns by its pings.
        await until(lambda: not running.node.gateway.clients, 60)
        assert (running.node.registry.users, running.node.rooms.connections) == (0, 0)
        assert running.node.gateway.eio.counters.failed_handlers == 0


@pytest.fixture(scope="module")
def fresh_people(shared: RunningNode) -> People:
    """Makes people on the shared node."""
    return People(shared.node.store, shared.node.tokens, utc_now)


@pytest.fixture(scope="module")
async def unchanged(shared: RunningNode, fresh_people: People) -> AsyncIterator[World]:
    """Two people in a conversation, for a module whose tests leave everything exactly as it was."""
    async with world(shared, fresh_people) as made:
        before = await made.contents()
        yield made
        assert await made.contents() == before
        await made.assert_nothing_sent()


@pytest.fixture
async def here(shared: RunningNode, fresh_people: People) -> AsyncIterator[World]:
    """Two people in a conversation of one message, for a test that may change what it likes of theirs."""
    async with world(shared, fresh_people) as made:
        yield made


@asynccontextmanager
async def _own_database(mongo_url: str) -> AsyncIterator[str]:
    base, mark, options = mongo_url.partition("?")
    host = base.removeprefix("mongodb://").partition("/")[0]
    url = f"mongodb://{host}/spotter_test_{int(time.time())}_{uuid4().hex[:12]}{mark}{options}"
    yield url
    database = Database(url)
    await database.client.drop_database(database.db.name)
    database.close()
