"""The process that runs the embedded servers for as long as somebody uses them.

``python -m server.embedded.daemon DATA_DIR`` detaches itself and serves a Unix socket: one JSON object a line,
``{"start": {name: [program, ...]}}`` is answered with ``{"ports": {name: port}}`` or with
``{"failed": name, "reason": text}``.
A connection is a hold on the servers. ``{"bye": true}`` gives it up at once; a connection that breaks, after a grace.
Only the standard library is imported: a start of Spotter waits for this process.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import logging
import os
import resource
import signal
import socket
import sys
import time
from asyncio import StreamReader, StreamWriter
from pathlib import Path
from typing import Any

from server.embedded.process import StartFailed, Supervised
from server.embedded.programs import COMMANDS, EmbeddedPaths, short_address

_log = logging.getLogger(__name__)
_GRACE_SECONDS = 1.0
# A program that started this daemon comes at once, or never.
_FIRST_GRACE_SECONDS = 10.0
_LOCK_WITHIN_SECONDS = 60.0
_LOG_CHECK_SECONDS = 30.0


class Daemon:
    def __init__(self, paths: EmbeddedPaths) -> None:
        self._paths = paths
        self._servers: dict[str, Supervised] = {}
        self._starting = asyncio.Lock()
        self._holders: set[StreamWriter] = set()
        self._over = asyncio.Event()
        self._closing: asyncio.TimerHandle | None = None
        # The connection released last ends with this process: so its program notices that all is stopped.
        self._last: StreamWriter | None = None

    async def run(self, listener: socket.socket) -> None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self._over.set)
        server = await asyncio.start_unix_server(self._serve_client, sock=listener)
        self._end_after(_FIRST_GRACE_SECONDS)
        logs = asyncio.create_task(self._bound_logs())
        await self._over.wait()
        # Newcomers must not find this daemon any more; the next one waits for the lock.
        self._paths.socket.unlink(missing_ok=True)
        server.close()
        logs.cancel()
        async with self._starting:
            await asyncio.gather(*(child.stop() for child in self._servers.values()))

    async def _serve_client(self, reader: StreamReader, writer: StreamWriter) -> None:
        self._holders.add(writer)
        if self._closing:
            self._closing.cancel()
        bye = False
        try:
            while (line := await reader.readline()) and not self._over.is_set():
                request = json.loads(line)
                if bye := "bye" in request:
                    break
                writer.write(json.dumps(await self._answer(request)).encode() + b"\n")
        except (ConnectionError, ValueError) as error:
            _log.warning("a program's connection broke: %s", error)
        self._leave(writer, bye)

    def _leave(self, writer: StreamWriter, bye: bool) -> None:
        self._holders.discard(writer)
        if bye and not self._holders:
            self._last = writer
            self._over.set()
            return
        if not self._holders:
            self._end_after(_GRACE_SECONDS)
        writer.close()

    def _end_after(self, seconds: float) -> None:
        if self._closing:
            self._closing.cancel()
        self._closing = asyncio.get_running_loop().call_later(seconds, self._over.set)

    async def _answer(self, request: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, int] = {}
        for name, candidates in request["start"].items():
            try:
                found[name] = await self._port_of(name, candidates)
            except StartFailed as failure:
                return {"failed": name, "reason": str(failure)}
        return {"ports": found}

    async def _port_of(self, name: str, candidates: list[str]) -> int:
        async with self._starting:
            running = self._servers.get(name)
            if running and running.port is not None:
                return running.port
            server = Supervised(name, COMMANDS[name], self._paths)
            port = await server.start(candidates)
            self._servers[name] = server
            return port

    async def _bound_logs(self) -> None:
        while True:
            await asyncio.sleep(_LOG_CHECK_SECONDS)
            for server in self._servers.values():
                server.bound_log()


def _take_lock(paths: EmbeddedPaths) -> bool:
    """True when the lock is ours; false when a daemon is at work already. The lock lasts as long as the process."""
    lock = os.open(paths.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    deadline = time.monotonic() + _LOCK_WITHIN_SECONDS
    while time.monotonic() < deadline:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if _somebody_serves(paths):
                return False
            time.sleep(0.02)
        else:
            return True
    return False


def _somebody_serves(paths: EmbeddedPaths) -> bool:
    with socket.socket(socket.AF_UNIX) as probe, short_address(paths.socket) as address:
        return probe.connect_ex(address) == 0


def _listener(paths: EmbeddedPaths) -> socket.socket:
    paths.socket.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    # By a relative name, which fits into an address however deep the folder lies.
    os.chdir(paths.root)
    listener.bind(paths.socket.name)
    listener.listen(64)
    return listener


def _allow_many_files() -> None:
    """MongoDB aborts when it runs out of file descriptors, and the usual soft limit of 1024 is soon reached."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 64_000 if hard == resource.RLIM_INFINITY else min(hard, 64_000)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def main() -> None:
    paths = EmbeddedPaths.under(Path(sys.argv[1]))
    # The program that started us waits for this parent only, and never has a child to bury.
    if os.fork():
        os._exit(0)
    logging.basicConfig(format="%(asctime)s %(message)s", level=logging.INFO)
    _allow_many_files()
    if _take_lock(paths):
        asyncio.run(Daemon(paths).run(_listener(paths)))


if __name__ == "__main__":
    main()
