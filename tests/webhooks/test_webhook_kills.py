"""What is to be told survives ``kill -9``, and no secret of it is in any line of a log, however loud that is."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import aiohttp
import pytest

from server.app import utc_now
from server.security.tokens import AccessTokens
from store.database import Database
from store.store import Store
from store.webhook_deliveries import NAME as DELIVERIES
from tests.bookings.market import Market
from tests.harness.clock import StandingClock
from tests.harness.loud_server import loud
from tests.harness.nodes import SECRET
from tests.webhooks.receiver import Receiver, receiving

CANARY = "canary7f3a"
SECONDS = 60.0


@pytest.mark.verify
async def test_a_kill_loses_no_event(database: Database, database_url: str, redis_url: str, tmp_path: Path) -> None:
    store = Store(database)
    node = cast(Any, SimpleNamespace(store=store, tokens=AccessTokens(SECRET)))
    environ = {"MONGO_URL": database_url, "REDIS_URL": redis_url, "WEBHOOKS_ALLOW_PRIVATE": "yes"}
    async with receiving(Receiver()) as receiver, aiohttp.ClientSession() as http:
        async with loud(tmp_path, **environ) as first:
            market = Market([node], [first.url], http, cast(StandingClock, utc_now))
            admin, trainer = await market.somebody("admin"), await market.trainer()
            client = await market.client(trainer)
            body = {"url": f"{receiver.url}?key={CANARY}", "events": ["booking.created", "booking.cancelled"]}
            endpoint = await market.call("POST", "/admin/webhooks", body, admin)
            assert endpoint.status == 201, endpoint
            receiver.open.clear()
            booked = await market.booked(client, trainer, market.at(9, days=2))
            async with asyncio.timeout(SECONDS):
                held = await receiver.held.get()
            # This one is killed before it was tried, as likely as not.
            assert (await market.cancel(booked, client)).status == 200
            await first.kill()
        # Their claims run out, as they would after half a minute.
        await database.collection(DELIVERIES).update_many({}, {"$set": {"dueAt": datetime.now(UTC)}})
        receiver.open.set()
        async with loud(tmp_path, **environ) as second:
            got: dict[str, set[str]] = {}
            async with asyncio.timeout(SECONDS):
                while got.keys() != {"booking.created", "booking.cancelled"} or held.id not in got["booking.created"]:
                    one = await receiver.taken.get()
                    told = one.verified(endpoint.body["secret"])
                    assert told["data"]["id"] == booked["id"]
                    got.setdefault(told["type"], set()).add(one.id)
            await second.terminate()
    assert {kind: len(ids) for kind, ids in got.items()} == {"booking.created": 1, "booking.cancelled": 1}
    secret = endpoint.body["secret"].removeprefix("whsec_")
    told_nobody = re.compile(f"{CANARY}|whsec_|v1,|{re.escape(secret)}")
    for server in (first, second):
        assert [line for line in server.logged.splitlines() if told_nobody.search(line)] == []
