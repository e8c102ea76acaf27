"""A program's hold on the embedded servers."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import subprocess
import sys
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from server.embedded import programs
from server.embedded.programs import REPLICA_SET, EmbeddedError, EmbeddedPaths, short_address

_READY_WITHIN_SECONDS = 90.0
_STOPPED_WITHIN_SECONDS = 20.0
_DAEMON_LOG_LIMIT_BYTES = 1024 * 1024
_CODE = Path(__file__).resolve().parents[2]
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Urls:
    """None for a server that was not asked for."""

    mongo_url: str | None
    redis_url: str | None


@asynccontextmanager
async def servers(data_dir: Path, *, mongo: bool = True, redis: bool = True) -> AsyncIterator[Urls]:
    """Servers that are ready, shared with whoever uses the same ``data_dir``; the last to leave stops them.

    Raises EmbeddedError when they cannot run here.
    """
    paths = EmbeddedPaths.under(data_dir)
    wanted: dict[str, list[str]] = {}
    if mongo:
        wanted["mongod"] = programs.mongod(paths.binaries)
    if redis:
        wanted["redis"] = programs.redis_server(paths.binaries)
    hold = Hold(paths, wanted)
    try:
        yield _urls(await hold.take())
    finally:
        await hold.release()


def _urls(ports: Mapping[str, int]) -> Urls:
    mongod, redis = ports.get("mongod"), ports.get("redis")
    return Urls(
        f"mongodb://127.0.0.1:{mongod}/?replicaSet={REPLICA_SET}" if mongod else None,
        f"redis://127.0.0.1:{redis}/0" if redis else None,
    )


class Hold:
    """A connection to the daemon, made again should the daemon be killed."""

    def __init__(self, paths: EmbeddedPaths, wanted: Mapping[str, list[str]]) -> None:
        self._paths = paths
        self._wanted = wanted
        self._writer: StreamWriter | None = None
        self._reader: StreamReader | None = None
        self._renewal: asyncio.Task[None] | None = None

    async def take(self) -> dict[str, int]:
        """The servers' loopback ports by name, once they are ready. Raises EmbeddedError."""
        try:
            async with asyncio.timeout(_READY_WITHIN_SECONDS):
                ports = await self._connected()
        except TimeoutError:
            raise EmbeddedError(f"The embedded servers did not start; see {self._paths.root}.") from None
        self._renewal = asyncio.create_task(self._renew(ports))
        return ports

    async def release(self) -> None:
        """Returns when the servers are stopped, or at once while somebody else uses them."""
        if self._renewal:
            self._renewal.cancel()
            await asyncio.gather(self._renewal, return_exceptions=True)
        if not (self._writer and self._reader):
            return
        try:
            self._writer.write(b'{"bye": true}\n')
            async with asyncio.timeout(_STOPPED_WITHIN_SECONDS):
                await self._reader.read()
        except (OSError, TimeoutError):
            _log.warning("the daemon of the embedded servers did not confirm the end")
        self._writer.close()

    async def _renew(self, known: Mapping[str, int]) -> None:
        while self._reader:
            await asyncio.gather(self._reader.read(), return_exceptions=True)
            _log.warning("the daemon of the embedded servers is gone; starting another")
            ports = await self._connected()
            if ports != known:
                _log.error("the embedded servers came back on other ports; restart this program")

    async def _connected(self) -> dict[str, int]:
        while True:
            answer = await self._ask()
            if answer is None:
                await asyncio.to_thread(_start_daemon, self._paths)
                await asyncio.sleep(0.02)
                continue
            if "failed" in answer:
                name = answer["failed"]
                raise EmbeddedError(f"{name} does not start: {answer['reason']}\n{programs.advice(name)}")
            ports: dict[str, int] = answer["ports"]
            if "mongod" in ports:
                # Not at the top: the daemon shares this package and should not wait for the driver's import.
                from server.embedded.replica_set import ensure_primary

                await ensure_primary(ports["mongod"])
            return ports

    async def _ask(self) -> dict[str, Any] | None:
        """The daemon's answer; None when there is none, or one that is about to end."""
        try:
            self._reader, self._writer = await _connect(self._paths)
            self._writer.write(json.dumps({"start": self._wanted}).encode() + b"\n")
            line = await self._reader.readline()
        except OSError:
            return None
        if not line:
            self._writer.close()
            return None
        answer: dict[str, Any] = json.loads(line)
        return answer


async def _connect(paths: EmbeddedPaths) -> tuple[StreamReader, StreamWriter]:
    connection = socket.socket(socket.AF_UNIX)
    try:
        with short_address(paths.socket) as address:
            connection.connect(address)
        connection.setblocking(False)
        return await asyncio.open_unix_connection(sock=connection)
    except BaseException:
        connection.close()
        raise


def _start_daemon(paths: EmbeddedPaths) -> None:
    """In a session of its own, out of reach of Ctrl-C; without site-packages, which it does not need."""
    command = [sys.executable, "-E", "-S", "-m", "server.embedded.daemon", str(paths.root.parent)]
    log_file = paths.daemon_log
    mode = "ab" if log_file.exists() and log_file.stat().st_size < _DAEMON_LOG_LIMIT_BYTES else "wb"
    with log_file.open(mode) as log:
        subprocess.run(
            command, cwd=_CODE, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, check=True
        )
