"""``run.py`` with several workers, as an operator starts it, and clients that change their worker all the time."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import aiohttp

from server.draining import DRAIN_SECONDS
from tests.harness.devices import TIMEOUT_SECONDS, Device
from tests.harness.nodes import SECRET
from tests.harness.people import Person
from tests.together.processes import prepared

ROOT = Path(__file__).resolve().parents[2]
# Three times what a drain may take. A worker that hangs is killed after once.
DRAINED_WITHIN_SECONDS = 3 * DRAIN_SECONDS


class Program:
    def __init__(self, process: Process, url: str, said: Path) -> None:
        self.process, self.url = process, url
        self._said = said

    @property
    def pid(self) -> int:
        return self.process.pid

    def workers(self) -> dict[int, int]:
        """Process ids by the workers' numbers."""
        found = {}
        for pid in _children(self.pid):
            with suppress(OSError):
                words = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
                if "worker" in words:
                    found[int(words[words.index("worker") + 1])] = pid
        return found

    def said(self) -> str:
        """What went to standard error so far."""
        return self._said.read_text()

    async def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """The exit code after a signal to the parent."""
        if self.process.returncode is None:
            self.process.send_signal(number)
        async with asyncio.timeout(DRAINED_WITHIN_SECONDS):
            return await self.process.wait()


def _children(pid: int) -> list[int]:
    with suppress(OSError):
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def open_files(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def is_alive(pid: int) -> bool:
    """False for a zombie too."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


async def start(said: Path, **environ: str) -> Process:
    """``run.py`` with settings by their names."""
    settings = {"PORT": "0", "JWT_SECRET": SECRET, "RATE_LIMIT_SCALE": "1000", **environ}
    with said.open("wb") as errors:
        return await asyncio.create_subprocess_exec(
            sys.executable, "run.py", cwd=ROOT, env={**os.environ, **settings}, stdout=PIPE, stderr=errors
        )


@asynccontextmanager
async def program(folder: Path, workers: int, **environ: str) -> AsyncIterator[Program]:
    said = folder / "stderr.txt"
    process = await start(said, WORKERS=str(workers), DATA_DIR=str(folder), **environ)
    running = Program(process, "", said)
    try:
        assert process.stdout is not None
        async with asyncio.timeout(60):
            line = (await process.stdout.readline()).decode()
        assert line.startswith("Spotter serves at http://"), running.said()
        running.url = line.split()[-1]
        await prepared(running.url, 10 * workers)
        yield running
    finally:
        pids = [*running.workers().values(), process.pid]
        try:
            await running.end()
        finally:
            for pid in filter(is_alive, pids):
                os.kill(pid, signal.SIGKILL)


@asynccontextmanager
async def hopping_device(url: str, person: Person, *transports: str) -> AsyncIterator[Device]:
    """Each of its requests is a connection of its own, which any worker may accept."""
    phone = Device()
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as http:
        phone.io.eio.http, phone.io.eio.external_http = http, True
        await phone.io.connect(
            url,
            auth={"token": person.token},
            namespaces=["/conversations"],
            transports=list(transports),
            wait_timeout=TIMEOUT_SECONDS,
        )
        try:
            yield phone
        finally:
            await phone.io.disconnect()


def worker_of(phone: Device) -> int:
    """The number of the worker that has the device's session."""
    return int(str(phone.io.eio.sid).rpartition(".")[2])
