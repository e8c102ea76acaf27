"""Ten thousand sockets leave at once: it costs linear time, and memory returns.

The server is a process of its own: no process may hold both ends of so many.
"""

from __future__ import annotations

import asyncio
import resource
from pathlib import Path

import aiohttp
import pytest

from domain.wire.events import BOOKINGS, CONVERSATIONS, PRESENCE
from server.app import utc_now
from server.security.tokens import AccessTokens
from store.database import Database
from store.store import Store
from tests.harness.light_sockets import open_sockets
from tests.harness.nodes import SECRET
from tests.harness.people import People, Person
from tests.together.processes import Served, served

SOCKETS = 10_000


async def leave_at_once(node: Served, http: aiohttp.ClientSession, persons: list[Person], count: int) -> float:
    """CPU seconds that each socket's leaving took."""
    tokens = [persons[at % len(persons)].token for at in range(count)]
    async with open_sockets(node.url, tokens, CONVERSATIONS, PRESENCE, BOOKINGS) as lights:
        assert await node.figure(http, "spotter_sockets") == count
        before = node.cpu_seconds()
        for light in lights:
            light.leave()
        # Another process's, which says nobody when it is done.
        while await node.figure(http, "spotter_sockets"):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        return (node.cpu_seconds() - before) / count


@pytest.mark.soak
async def test_ten_thousand_leave_at_once_again_and_again(
    database: Database, database_url: str, redis_url: str, tmp_path: Path
) -> None:
    allowed, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert allowed > SOCKETS + 1000, "raise the number of open files (ulimit -n)"
    people = People(Store(database), AccessTokens(SECRET), utc_now)
    persons = [await people.make() for _ in range(200)]
    async with aiohttp.ClientSession() as http, served(database_url, redis_url, tmp_path) as node:
        await leave_at_once(node, http, persons, 2000)
        few = await leave_at_once(node, http, persons, 2000)
        await leave_at_once(node, http, persons, SOCKETS)
        # What the allocator keeps is used again.
        before = node.megabytes()
        for _ in range(2):
            many = await leave_at_once(node, http, persons, SOCKETS)
            print(f"{many * 1e6:.0f} us a socket of {SOCKETS}, {few * 1e6:.0f} of 2000")
            assert many < 3 * few
            for name in ("spotter_connections", "spotter_users", "spotter_http_connections"):
                assert await node.figure(http, name) <= 1
        assert node.megabytes() - before < 30
