"""Real ``run.py`` processes that a test may kill and freeze."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

from tests.harness import forked
from tests.harness.forked import ForkedProcess
from tests.harness.freezing import freeze, thaw
from tests.harness.nodes import SECRET

_RUN = Path(__file__).resolve().parents[2] / "run.py"
_SERVES_AT = "Spotter serves at "
_START_WITHIN_SECONDS = 60.0


class Served:
    def __init__(self, process: ForkedProcess, url: str) -> None:
        self.process = process
        self.url = url

    def cpu_seconds(self) -> float:
        """User and system time so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def megabytes(self) -> float:
        """Resident memory."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6

    async def figure(self, http: aiohttp.ClientSession, name: str) -> float:
        """One of the process's own metrics."""
        async with http.get(f"{self.url}/metrics") as answer:
            for line in (await answer.text()).splitlines():
                if line.startswith(f"{name} "):
                    return float(line.split()[1])
        raise AssertionError(f"no figure {name}")

    def freeze(self) -> None:
        freeze(self.process.pid)

    def thaw(self) -> None:
        thaw(self.process.pid)

    async def kill(self) -> None:
        self.process.kill()
        await self.process.wait()


@asynccontextmanager
async def served(
    mongo_url: str, redis_url: str, data_dir: Path, program: Path = _RUN, **environ: str
) -> AsyncIterator[Served]:
    """``environ``: settings by their names, over those of the tests. It is ended the hard way."""
    data_dir.mkdir(parents=True, exist_ok=True)
    settings = {
        "PORT": "0",
        "JWT_SECRET": SECRET,
        "RATE_LIMIT_SCALE": "1000",
        "DATA_DIR": str(data_dir),
        "SANDBOX_PORT": "0",
        "MONGO_URL": mongo_url,
        "REDIS_URL": redis_url,
        **environ,
    }
    process = await forked.start(program, (), data_dir, {**os.environ, **settings}, data_dir / "log")
    draining: asyncio.Task[None] | None = None
    try:
        url = await _url_of(process)
        # Mails are printed: a pipe that nobody reads from stops the process.
        draining = asyncio.create_task(_drained(process))
        await prepared(url)
        yield Served(process, url)
    finally:
        if draining is not None:
            draining.cancel()
        process.kill()
        await process.wait()


async def prepared(url: str, in_a_row: int = 1) -> None:
    """On a busy machine it listens before it serves. ``in_a_row``: where any of several workers may answer."""
    async with (
        asyncio.timeout(_START_WITHIN_SECONDS),
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as http,
    ):
        served = 0
        while served < in_a_row:
            async with http.get(f"{url}/v1/categories") as answer:
                served = served + 1 if answer.status == 200 else 0
            if not served:
                await asyncio.sleep(0.02)


async def _drained(process: ForkedProcess) -> None:
    while await process.stdout.read(65536):
        pass


async def _url_of(process: ForkedProcess) -> str:
    async with asyncio.timeout(_START_WITHIN_SECONDS):
        while line := (await process.stdout.readline()).decode():
            if line.startswith(_SERVES_AT):
                return line.removeprefix(_SERVES_AT).strip()
    raise AssertionError("the process ended before it served")
