"""The same with real processes: ``run.py`` twice, on uvloop, with nothing in common but MongoDB and Redis."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from time import perf_counter

from server.app import utc_now
from server.security.tokens import AccessTokens
from store.database import Database
from store.store import Store
from tests.harness.devices import device
from tests.harness.nodes import SECRET
from tests.harness.people import People
from tests.server.pubsub.redis_servers import redis_server
from tests.together.fanout_nodes import ConversationDevices, ConversationTraffic
from tests.together.processes import served


async def test_two_processes_while_redis_dies(database: Database, database_url: str, tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        redis = await stack.enter_async_context(redis_server(tmp_path / "redis"))
        urls = [
            (await stack.enter_async_context(served(database_url, redis.url, tmp_path / name))).url
            for name in ("one", "other")
        ]
        people = People(Store(database), AccessTokens(SECRET), utc_now)
        talk = ConversationDevices(*(await people.pair()))
        for url in urls:
            for person in (talk.client, talk.trainer):
                phone = await stack.enter_async_context(device(url, await people.another_device(person)))
                talk.devices.append(phone)
        chatter = ConversationTraffic(talk)
        await chatter.said(50)
        await redis.killed()
        await chatter.said(50)
        await redis.start()
        began, said = perf_counter(), talk.head
        await asyncio.gather(
            *(phone.until(lambda phone: bool(h := talk.received(phone)) and h[-1] >= said) for phone in talk.devices)
        )
        print(f"\ntwo processes: every device holds every entry {perf_counter() - began:.2f} s after Redis is back")
        assert perf_counter() - began < 9
        await chatter.said(20)
        await chatter.stop()
        await talk.everyone_received_everything()
        assert all(talk.received(phone)[0] == 1 for phone in talk.devices)
