"""The servers that are measured: ours, and the Node.js server a team would otherwise write."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from server import embedded

ROOT = Path(__file__).resolve().parents[1]
PEER = ROOT / "bench" / "peer"
READY_WITHIN_SECONDS = 30


@dataclass(frozen=True)
class Server:
    """A contestant that serves: its process and port, and what the load has to say to it."""

    name: str
    pid: int
    port: int
    arguments: tuple[str, ...] = ()


@dataclass(frozen=True)
class Databases:
    """Fresh ones, for one measurement: ``environment`` has their addresses, ``seats`` who talks to whom there."""

    environment: Mapping[str, str]
    seats: Path


@dataclass(frozen=True)
class Contestant:
    """``start`` has it serve on a port; ``root`` is the checkout whose accounts its seats are, if it has accounts."""

    start: Callable[[int, Databases], AbstractAsyncContextManager[Server]]
    root: Path | None = None


@asynccontextmanager
async def fresh_databases(contestant: Contestant, pairs: int, data: Path) -> AsyncIterator[Databases]:
    """MongoDB and Redis that nobody has used. A server that starts on databases another has just left first recovers
    what that one may not have published, and its figures are of both."""
    with TemporaryDirectory(dir=data) as folder:
        async with embedded.servers(Path(folder)) as urls:
            assert urls.mongo_url is not None
            assert urls.redis_url is not None
            environment = {
                "MONGO_URL": urls.mongo_url,
                "REDIS_URL": urls.redis_url,
                "DATA_DIR": folder,
                "RATE_LIMIT_SCALE": "100000",
            }
            databases = Databases(environment, Path(folder) / "seats.json")
            if contestant.root is not None:
                await _seed(databases, pairs, contestant.root)
            yield databases


@asynccontextmanager
async def twice(contestant: Contestant, second: int, first: int, databases: Databases) -> AsyncIterator[Server]:
    """Two processes that have the databases in common; each conversation has a member at both."""
    async with contestant.start(first, databases) as one, contestant.start(second, databases) as other:
        as_well = ("--port2", str(other.port), "--pid2", str(other.pid))
        yield Server(f"{one.name}, 2 processes", one.pid, one.port, (*one.arguments, *as_well))


@asynccontextmanager
async def spotter(
    port: int, databases: Databases, *, processors: str | None, name: str = "spotter", root: Path = ROOT
) -> AsyncIterator[Server]:
    command, environment = [sys.executable, "run.py"], {**databases.environment, "PORT": str(port)}
    async with _running(command, environment, "serves at", processors, root) as process:
        yield Server(name, process.pid, port, ("--ns", "/conversations", "--auth", str(databases.seats)))


@asynccontextmanager
async def node(port: int, databases: Databases, *, processors: str | None, batch: bool) -> AsyncIterator[Server]:
    extra = {"PORT": str(port), "ADAPTER": "redis", **({"BATCH": "1"} if batch else {})}
    command, environment = ["node", str(PEER / "server.cjs")], {**databases.environment, **extra}
    async with _running(command, environment, "READY", processors) as process:
        yield Server("node, coalesced" if batch else "node, plain", process.pid, port)


async def _seed(databases: Databases, pairs: int, root: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "run.py", "seed-load", "--pairs", str(pairs), "--out", str(databases.seats),
        env={**os.environ, **databases.environment}, cwd=root, stdout=PIPE,
    )
    await process.communicate()
    if process.returncode:
        raise SystemExit("seed-load failed")


def pinned(command: list[str], processors: str | None) -> list[str]:
    return ["taskset", "-c", processors, *command] if processors else command


@asynccontextmanager
async def _running(
    command: list[str], environment: Mapping[str, str], ready: str, processors: str | None, root: Path = ROOT
) -> AsyncIterator[Process]:
    process = await asyncio.create_subprocess_exec(
        *pinned(command, processors), env={**os.environ, **environment}, cwd=root, stdout=PIPE
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(READY_WITHIN_SECONDS):
            while ready not in (line := (await process.stdout.readline()).decode()):
                if not line:
                    raise SystemExit(f"{command[0]} did not start")
        yield process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
            await process.wait()
