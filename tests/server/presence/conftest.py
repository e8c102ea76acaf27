"""A Redis that nothing else of the test run writes to."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from server import embedded
from tests.conftest import TEST_DATA


@pytest.fixture(scope="session")
async def own_redis_url(worker_id: str) -> AsyncIterator[str]:
    async with embedded.servers(TEST_DATA / f"presence-{worker_id}", mongo=False) as urls:
        assert urls.redis_url is not None
        yield urls.redis_url


@pytest.fixture(scope="session")
async def redis(own_redis_url: str) -> AsyncIterator[Redis]:
    client: Redis = Redis.from_url(own_redis_url)
    yield client
    await client.aclose()


@pytest.fixture(autouse=True)
async def empty_redis(redis: Redis) -> None:
    await redis.flushall()
