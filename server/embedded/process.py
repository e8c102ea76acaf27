"""One embedded server as a child process, restarted whenever it dies, on a port that stays the same where it can."""

from __future__ import annotations

import asyncio
import ctypes
import logging
import os
import random
import shutil
import signal
import socket
import sys
from asyncio.subprocess import Process
from collections.abc import Callable, Sequence
from pathlib import Path

from server.embedded.programs import CommandLine, EmbeddedPaths
from store.backoff import ExponentialBackoff

# Below the range from which the kernel draws the ports of outgoing connections.
_FIRST, _LAST = 20000, 32000


def choose(remembered: Path) -> int:
    """The port of the last run if it is free, else another, which is remembered."""
    port = _read(remembered)
    if port is None or not is_free(port):
        port = _free_port()
        remembered.write_text(str(port), encoding="ascii")
    return port


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As the servers do: connections of the last run that are still winding down do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def _read(path: Path) -> int | None:
    try:
        port = int(path.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
    return port if 0 < port < 65536 else None


def _free_port() -> int:
    for _ in range(200):
        port = random.randrange(_FIRST, _LAST)
        if is_free(port):
            return port
    raise OSError("no free loopback port was found")


_log = logging.getLogger(__name__)
_PR_SET_PDEATHSIG = 1
# Recovery from the journal after a crash takes its time on a slow disk.
_READY_WITHIN_SECONDS = 60.0
_STOP_WITHIN_SECONDS = 10.0
_BACKOFF = ExponentialBackoff(first=0.1, longest=2.0)
_LOG_LIMIT_BYTES = 8 * 1024 * 1024


class StartFailed(Exception):
    """No candidate came up; the message holds the last output of the last one."""


class Supervised:
    def __init__(self, name: str, command: CommandLine, paths: EmbeddedPaths) -> None:
        self.name = name
        self.port: int | None = None
        self._command = command
        self._data = paths.data(name)
        self._log = paths.log(name)
        self._remembered_port = paths.port(name)
        self._process: Process | None = None
        self._watcher: asyncio.Task[None] | None = None

    async def start(self, candidates: Sequence[str]) -> int:
        """The port, once the server accepts connections there. Raises StartFailed."""
        last_output = "no program was named"
        # Twice each: a port that was free a moment ago may be taken when the server wants it.
        for program in [name for name in candidates for _ in range(2)]:
            port = choose(self._remembered_port)
            start = self._log_size()
            self._process = await self._spawn(program, port)
            if self._process and await self._accepts(self._process, port):
                self._watcher = asyncio.create_task(self._bring_back(self._process, program, port))
                self.port = port
                return port
            await self._end()
            last_output = self._last_output(start) or f"{program} cannot be run"
        raise StartFailed(last_output)

    async def stop(self) -> None:
        if self._watcher:
            self._watcher.cancel()
            await asyncio.gather(self._watcher, return_exceptions=True)
        await self._end()

    def bound_log(self) -> None:
        """Keep one older part. The server appends, so its file may be cut under its hands."""
        if self._log_size() > _LOG_LIMIT_BYTES:
            shutil.copyfile(self._log, self._log.with_suffix(".log.1"))
            os.truncate(self._log, 0)

    async def _bring_back(self, process: Process | None, program: str, port: int) -> None:
        clock = asyncio.get_running_loop().time
        attempt = 0
        while True:
            since = clock()
            code = await process.wait() if process else "no process"
            attempt = 1 if clock() - since > 10 else attempt + 1
            _log.warning("%s ended (%s); starting it again", self.name, code)
            await asyncio.sleep(_BACKOFF.pause(attempt))
            process = self._process = await self._spawn(program, port)

    async def _spawn(self, program: str, port: int) -> Process | None:
        self._data.mkdir(parents=True, exist_ok=True)
        with self._log.open("ab") as log:
            try:
                return await asyncio.create_subprocess_exec(
                    *self._command(program, port, self._data),
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    # Both servers refuse to start under a locale that is not installed.
                    env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"},
                    preexec_fn=_tied_to(os.getpid()),
                )
            except OSError as error:
                log.write(f"{program}: {error}\n".encode())
                return None

    async def _accepts(self, process: Process, port: int) -> bool:
        deadline = asyncio.get_running_loop().time() + _READY_WITHIN_SECONDS
        while process.returncode is None and asyncio.get_running_loop().time() < deadline:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.02)
            else:
                writer.close()
                return True
        return False

    async def _end(self) -> None:
        process, self._process = self._process, None
        if process is None or process.returncode is not None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), _STOP_WITHIN_SECONDS)
        except TimeoutError:
            process.kill()
            await process.wait()

    def _log_size(self) -> int:
        return self._log.stat().st_size if self._log.exists() else 0

    def _last_output(self, start: int) -> str:
        with self._log.open("rb") as log:
            log.seek(start)
            lines = log.read().decode(errors="replace").splitlines()
        return "\n".join(line[:500] for line in lines[-3:])


def _tied_to(parent: int) -> Callable[[], None] | None:
    """What a child does before it becomes the server: ask the kernel to die with the daemon, even by kill -9."""
    if not sys.platform.startswith("linux"):
        return None
    libc = ctypes.CDLL(None)

    def tie() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)

    return tie
