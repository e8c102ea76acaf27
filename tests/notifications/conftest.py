"""One node for the folder that mails and pushes to stand-ins; each test brings people of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from tests.bookings.market import Market, served_market
from tests.harness.mail_server import Desk, served
from tests.harness.unread_errors import no_complaints
from tests.notifications.pushed import PUBLIC, Pushed
from tests.notifications.services import PushService, serving, settings


@pytest.fixture(scope="package")
async def shared(mongo_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Pushed]:
    desk, folder = Desk(), tmp_path_factory.mktemp("notifications")
    async with AsyncExitStack() as stack:
        apns, fcm = [await stack.enter_async_context(serving(PushService())) for _ in range(2)]
        port = await stack.enter_async_context(served(desk))
        environ = {"SMTP_URL": f"smtp://127.0.0.1:{port}", "PUBLIC_URL": PUBLIC, **settings(apns, fcm)}
        market = await stack.enter_async_context(served_market(mongo_url, redis_url, folder, 1, **environ))
        yield Pushed(market, apns, fcm, desk)


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
