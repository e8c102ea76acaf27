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


Contestant = Callable[[int], AbstractAsyncContextManager[Server]]
"""A server on a port."""


@asynccontextmanager
async def twice(contestant: Contestant, ports: tuple[int, int]) -> AsyncIterator[Server]:
    """Two processes that have the databases in common; each conversation has a member at both."""
    async with contestant(ports[0]) as one, contestant(ports[1]) as other:
        second = ("--port2", str(other.port), "--pid2", str(other.pid))
        yield Server(f"{one.name}, 2 processes", one.pid, one.port, (*one.arguments, *second))


@asynccontextmanager
async def spotter(
    port: int,
    environment: Mapping[str, str],
    seats: Path,
    processors: str | None,
    *,
    name: str = "spotter",
    root: Path = ROOT,
) -> AsyncIterator[Server]:
    command = [sys.executable, "run.py"]
    async with _running(command, {**environment, "PORT": str(port)}, "serves at", processors, root) as process:
        yield Server(name, process.pid, port, ("--ns", "/conversations", "--auth", str(seats)))


@asynccontextmanager
async def node(
    port: int, environment: Mapping[str, str], *, batch: bool, processors: str | None
) -> AsyncIterator[Server]:
    extra = {"PORT": str(port), "ADAPTER": "redis", **({"BATCH": "1"} if batch else {})}
    async with _running(["node", str(PEER / "server.cjs")], {**environment, **extra}, "READY", processors) as process:
        yield Server("node, coalesced" if batch else "node, plain", process.pid, port)


async def seed(environment: Mapping[str, str], pairs: int, seats: Path, root: Path = ROOT) -> None:
    """Fresh pairs for a round: their tokens last 15 minutes."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "run.py", "seed-load", "--pairs", str(pairs), "--out", str(seats),
        env={**os.environ, **environment}, cwd=root, stdout=PIPE,
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
