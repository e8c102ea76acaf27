"""What is to be pushed survives ``kill -9``, and none of it is in any line of a log, however loud that is."""

from __future__ import annotations

import asyncio
import secrets
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest

from server.app import utc_now
from server.security.tokens import AccessTokens
from store.database import Database
from store.pushes import NAMES
from store.store import Store
from store.watermarks import Marks
from tests.harness.loud_server import loud
from tests.harness.nodes import SECRET
from tests.harness.people import People, Person
from tests.notifications.services import PushService, Received, serving, settings

CANARY = "canary7f3a"
SECONDS = 60.0


async def register(http: aiohttp.ClientSession, url: str, who: Person, platform: str) -> str:
    token = CANARY + secrets.token_hex(32)
    body, headers = {"platform": platform, "token": token}, {"Authorization": f"Bearer {who.token}"}
    async with http.put(f"{url}/v1/me/devices/{platform}", json=body, headers=headers) as answer:
        assert answer.status == 204
    return token


async def received(service: PushService) -> Received:
    async with asyncio.timeout(SECONDS):
        return await service.received.get()


@pytest.mark.verify
async def test_a_kill_loses_no_push(database: Database, database_url: str, redis_url: str, tmp_path: Path) -> None:
    store = Store(database)
    people = People(store, AccessTokens(SECRET), utc_now)
    async with serving(PushService()) as apns, serving(PushService()) as fcm, aiohttp.ClientSession() as http:
        environ = {
            **settings(apns, fcm), "MONGO_URL": database_url, "REDIS_URL": redis_url, "PUSH_AFTER_SECONDS": "1",
        }  # fmt: skip
        async with loud(tmp_path, **environ) as first:
            client, trainer, conversation = await people.pair(begun=True)
            sides = (await store.conversations.participants([conversation]))[conversation]
            for side in sides:
                await store.watermarks.raise_to(side.id, Marks(seen=1))
            tokens = {await register(http, first.url, trainer, platform) for platform in ("ios", "android")}
            for service in (apns, fcm):
                service.open.clear()
                service.arrived.clear()
            body = {"clientMessageId": "m", "text": f"{CANARY} hello"}
            headers = {"Authorization": f"Bearer {client.token}"}
            path = f"{first.url}/v1/conversations/{conversation}/messages"
            async with http.post(path, json=body, headers=headers) as answer:
                assert answer.status == 201
            async with asyncio.timeout(SECONDS):
                await asyncio.gather(apns.arrived.wait(), fcm.arrived.wait())
            await first.kill()
        # Their claims run out, as they would after half a minute.
        for name in NAMES.values():
            await database.collection(name).update_many({}, {"$set": {"dueAt": datetime.now(UTC)}})
        for service in (apns, fcm):
            service.open.set()
        async with loud(tmp_path, **environ) as second:
            # What the first handed in was taken; it is the same push once more.
            got = [await received(service) for service in (apns, apns, fcm, fcm)]
            await second.terminate()
    assert {one.to for one in got} == tokens
    assert len({one.id for one in got}) == 2
    assert {one.said for one in got} == {f"{CANARY} hello"}
    for server in (first, second):
        assert [line for line in server.logged.splitlines() if CANARY in line or "access-" in line] == []
