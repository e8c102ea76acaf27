"""What most of these tests start from."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator

import pytest

from server.app import utc_now
from tests.harness.databases import own_database
from tests.harness.nodes import RunningNode, running_node
from tests.harness.people import People
from tests.harness.unread_errors import no_complaints
from tests.harness.waiting import until
from tests.server.sockets.raw_conversation import RawConversation, open_raw_conversation


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
    async with own_database(mongo_url) as url, running_node(url, redis_url, data) as running:
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
async def unchanged(shared: RunningNode, fresh_people: People) -> AsyncIterator[RawConversation]:
    """Two people in a conversation, for a module whose tests leave everything exactly as it was."""
    async with open_raw_conversation(shared, fresh_people) as made:
        before = await made.contents()
        yield made
        assert await made.contents() == before
        await made.assert_nothing_sent()


@pytest.fixture
async def raw_conversation(shared: RunningNode, fresh_people: People) -> AsyncIterator[RawConversation]:
    """Two people in a conversation of one message, for a test that may change what it likes of theirs."""
    async with open_raw_conversation(shared, fresh_people) as made:
        yield made
