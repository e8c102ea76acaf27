"""Ways to the servers that can be spoilt, and servers of a test's own whose processes can be frozen."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from server import embedded
from tests.faults.proxy import Proxy, mongo_through, proxy, redis_through
from tests.harness.nodes import RunningNode, running_node
from tests.server.embedded.observed import mongod_pid, redis_pid


@pytest.fixture
async def mongo_proxy(database_url: str) -> AsyncIterator[Proxy]:
    async with proxy(database_url) as made:
        yield made


@pytest.fixture
async def redis_proxy(redis_url: str) -> AsyncIterator[Proxy]:
    async with proxy(redis_url) as made:
        yield made


@dataclass(frozen=True)
class Proxied:
    """A node that reaches both servers through proxies."""

    running: RunningNode
    mongo: Proxy
    redis: Proxy
    http: aiohttp.ClientSession

    async def get(self, path: str, token: str | None = None) -> tuple[int, dict[str, object]]:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        async with self.http.get(self.running.url + path, headers=headers) as response:
            return response.status, await response.json()


@pytest.fixture
async def proxied(
    database_url: str, mongo_proxy: Proxy, redis_proxy: Proxy, tmp_path: Path
) -> AsyncIterator[Proxied]:
    url = mongo_through(mongo_proxy, database_url)
    async with (
        running_node(url, redis_through(redis_proxy), tmp_path / "node") as running,
        aiohttp.ClientSession() as http,
    ):
        yield Proxied(running, mongo_proxy, redis_proxy, http)


@dataclass(frozen=True)
class OwnServers:
    mongo_url: str
    redis_url: str
    mongod: int
    redis: int


@pytest.fixture
async def own_servers(tmp_path: Path) -> AsyncIterator[OwnServers]:
    """A MongoDB and a Redis that nobody else uses."""
    async with embedded.servers(tmp_path / "servers") as urls:
        assert urls.mongo_url and urls.redis_url
        yield OwnServers(
            urls.mongo_url, urls.redis_url, await mongod_pid(urls.mongo_url), await redis_pid(urls.redis_url)
        )
