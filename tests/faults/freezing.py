"""Servers of a test's own that can be stopped like a process in a debugger: they hang, and do not die."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from redis.asyncio import Redis

from server import embedded
from tests.faults.embedded import mongod_pid


@contextmanager
def frozen(*pids: int) -> Iterator[None]:
    """SIGSTOP, and SIGCONT at the end."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


@dataclass(frozen=True)
class Servers:
    mongo_url: str
    redis_url: str
    mongod: int
    redis: int


@asynccontextmanager
async def own_servers(data_dir: Path) -> AsyncIterator[Servers]:
    """MongoDB and Redis, and their process ids."""
    async with embedded.servers(data_dir) as urls:
        assert urls.mongo_url is not None
        assert urls.redis_url is not None
        redis = Redis.from_url(urls.redis_url)
        try:
            redis_pid = (await redis.info("server"))["process_id"]
        finally:
            await redis.aclose()
        yield Servers(urls.mongo_url, urls.redis_url, mongod_pid(data_dir), redis_pid)
