"""One node for the folder that mails and pushes to stand-ins; each test brings people of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import aiohttp
import pytest
from pymongo import AsyncMongoClient

from tests.bookings.market import Clock, Market
from tests.harness.databases import named, new_name
from tests.harness.nodes import running_node
from tests.harness.unread_errors import no_complaints
from tests.notifications.pushed import PUBLIC, Pushed
from tests.notifications.services import PushService, serving, settings
from tests.server.mail.test_smtp import Desk, served


@pytest.fixture(scope="session")
async def shared(mongo_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Pushed]:
    name, clock, desk = new_name(), Clock(), Desk()
    async with AsyncExitStack() as stack:
        apns, fcm = [await stack.enter_async_context(serving(PushService())) for _ in range(2)]
        port = await stack.enter_async_context(served(desk))
        environ = {"SMTP_URL": f"smtp://127.0.0.1:{port}", "PUBLIC_URL": PUBLIC, **settings(apns, fcm)}
        folder = tmp_path_factory.mktemp("notifications")
        node = await stack.enter_async_context(
            running_node(named(mongo_url, name), redis_url, folder, clock, **environ)
        )
        http = await stack.enter_async_context(aiohttp.ClientSession())
        yield Pushed(Market([node.node], [node.url], http, clock), apns, fcm, desk)
    client: AsyncMongoClient[dict[str, object]] = AsyncMongoClient(mongo_url)
    async with client:
        await client.drop_database(name)


@pytest.fixture
def pushed(shared: Pushed) -> Pushed:
    for service in (shared.apns, shared.fcm):
        service.replies.clear()
        service.open.set()
    shared.desk.replies.clear()
    return shared


@pytest.fixture
async def market(pushed: Pushed) -> AsyncIterator[Market]:
    with no_complaints():
        yield pushed.market
