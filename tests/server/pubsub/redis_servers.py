"""Real Redis servers that a test may kill, freeze and empty."""

from __future__ import annotations

import asyncio
import os
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from redis.asyncio import Redis
from redis.exceptions import RedisError

from server.embedded import programs
from server.embedded.process import choose
from tests.harness import freezing


class RedisServer:
    def __init__(self, folder: Path, *options: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._options = options
        self._process: Process | None = None
        self.port = choose(folder / "port")

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    async def start(self, *more: str) -> None:
        (program, *_) = programs.redis_server(self._folder)
        self._process = await asyncio.create_subprocess_exec(
            program, *more, "--port", str(self.port), "--dir", str(self._folder), "--bind", "127.0.0.1",
            "--appendonly", "no", "--save", "", "--daemonize", "no", *self._options,
            stdout=DEVNULL, stderr=DEVNULL, env={"PATH": os.defpath, "LC_ALL": "C"},
        )  # fmt: skip
        async with asyncio.timeout(15):
            while not await self.answers():  # noqa: ASYNC110
                await asyncio.sleep(0.01)

    async def answers(self) -> bool:
        try:
            async with self.client() as client:
                await client.ping()
        except (OSError, RedisError):
            return False
        return True

    def client(self) -> Redis:
        return Redis(host="127.0.0.1", port=self.port, decode_responses=True, socket_timeout=5)

    def kill(self) -> None:
        if (process := self._running) is not None:
            process.kill()

    async def killed(self) -> None:
        self.kill()
        assert self._process is not None
        await self._process.wait()

    def freeze(self) -> None:
        if (process := self._running) is not None:
            freezing.freeze(process.pid)

    def thaw(self) -> None:
        if (process := self._running) is not None:
            freezing.thaw(process.pid)

    @property
    def _running(self) -> Process | None:
        return self._process if self._process is not None and self._process.returncode is None else None


@asynccontextmanager
async def redis_server(folder: Path, *options: str) -> AsyncIterator[RedisServer]:
    server = RedisServer(folder, *options)
    await server.start()
    try:
        yield server
    finally:
        await server.killed()
