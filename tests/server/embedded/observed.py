"""Programs that use embedded servers, and the processes behind them, watched from outside."""

from __future__ import annotations

import asyncio
import json
import os
import select
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from pymongo import AsyncMongoClient
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import ConstantBackoff
from redis.exceptions import ConnectionError as RedisGone

_ROOT = Path(__file__).resolve().parents[3]
_PROGRAM = Path(__file__).with_name("program.py")
Mongo = AsyncMongoClient[dict[str, Any]]


class Program:
    def __init__(self, process: Process, mongo_url: str | None, redis_url: str | None) -> None:
        self.process = process
        self.mongo_url = mongo_url or ""
        self.redis_url = redis_url or ""

    @classmethod
    async def start(cls, data: Path, *names: str) -> Program:
        environ = {**os.environ, "PYTHONPATH": str(_ROOT)}
        command = [sys.executable, str(_PROGRAM), str(data), *names]
        process = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, env=environ)
        assert process.stdout
        async with asyncio.timeout(60):
            line = await process.stdout.readline()
        assert line, "the program ended before its servers were ready"
        return cls(process, *json.loads(line))

    async def leave(self) -> None:
        """End it the ordinary way."""
        assert self.process.stdin
        self.process.stdin.close()
        async with asyncio.timeout(30):
            assert await self.process.wait() == 0

    async def kill(self) -> None:
        self.process.kill()
        await self.process.wait()


@asynccontextmanager
async def program(data: Path, *names: str) -> AsyncIterator[Program]:
    running = await Program.start(data, *names)
    try:
        yield running
    finally:
        if running.process.returncode is None:
            await running.leave()


def mongo(url: str) -> Mongo:
    return AsyncMongoClient(url, serverSelectionTimeoutMS=20000)


def redis(url: str) -> Redis:
    """Tries again for 20 s when the server is away."""
    return Redis.from_url(url, retry=Retry(ConstantBackoff(0.05), 400), retry_on_error=[RedisGone])


async def mongod_pid(url: str) -> int:
    async with mongo(url) as client:
        return int((await client.admin.command("serverStatus"))["pid"])


async def redis_pid(url: str) -> int:
    async with redis(url) as client:
        return int((await client.info("server"))["process_id"])


def parent_of(pid: int) -> int:
    """The daemon, for a server's pid."""
    after_name = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2]
    return int(after_name.split()[1])


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


class ProcessEnd:
    """The end of a process that is not our child, as something to wait for."""

    def __init__(self, pid: int) -> None:
        self._descriptor = os.pidfd_open(pid)

    async def wait(self, seconds: float = 20) -> None:
        poll = select.poll()
        poll.register(self._descriptor, select.POLLIN)
        try:
            assert await asyncio.to_thread(poll.poll, seconds * 1000), f"still alive after {seconds} s"
        finally:
            os.close(self._descriptor)
