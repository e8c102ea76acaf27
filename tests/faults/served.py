"""``run.py`` as a process of its own."""

from __future__ import annotations

import asyncio
import os
import re
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.harness import forked
from tests.harness.forked import ForkedProcess
from tests.harness.nodes import SECRET

RUN = Path(__file__).resolve().parents[2] / "run.py"
STARTED_WITHIN_SECONDS = 60.0
STRONG = "kJ8#vQz2!pL9wXr5@tN4mB7yH3sD6fG1"
PRODUCTION = {
    "ENVIRONMENT": "production",
    "JWT_SECRET": STRONG,
    "MONGO_URL": "mongodb://127.0.0.1:1/spotter?replicaSet=rs0",
    "REDIS_URL": "redis://127.0.0.1:1/0",
    "SMTP_URL": "smtp://127.0.0.1:1",
    "MAIL_FROM": "Spotter <no-reply@example.com>",
    "ALLOWED_ORIGINS": "https://app.example.com",
    "STRIPE_SECRET_KEY": "sk_live_x",
    "STRIPE_PUBLISHABLE_KEY": "pk_live_x",
    "STRIPE_WEBHOOK_SECRETS": "whsec_x",
    "RATE_LIMIT_SCALE": "1",
    "OPERATIONS_PORT": "0",
}
_SERVES = re.compile(r"^Spotter serves at (http://\S+)$", re.MULTILINE)


def environment(data_dir: Path, **settings: str) -> dict[str, str]:
    """Nothing of the test's own environment but the way to programs; limits a thousand times looser."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "DATA_DIR": str(data_dir),
        "PORT": "0",
        "JWT_SECRET": SECRET,
        "RATE_LIMIT_SCALE": "1000",
        # Nobody is there: a sandbox is started for those tests only that ask for one.
        "STRIPE_API_BASE": "" if settings.get("ENVIRONMENT") == "production" else "http://127.0.0.1:9",
        **settings,
    }


async def start(data_dir: Path, *arguments: str, **settings: str) -> ForkedProcess:
    """In ``data_dir``, so that no ``.env`` of this checkout is read."""
    return await forked.start(RUN, arguments, data_dir, environment(data_dir, **settings))


async def run(data_dir: Path, *arguments: str, **settings: str) -> tuple[int, str, str]:
    """Run a command to its end; answers exit code, standard output and standard error."""
    process = await start(data_dir, *arguments, **settings)
    async with asyncio.timeout(STARTED_WITHIN_SECONDS):
        out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


class Served:
    """A server that was started, and what it printed and logged so far."""

    def __init__(self, process: ForkedProcess, data_dir: Path, settings: dict[str, str]) -> None:
        self.process = process
        self.data_dir = data_dir
        self.settings = settings
        self.url = ""
        self.printed = ""
        self.logged = ""
        self._grown = asyncio.Condition()
        self._reading = [
            asyncio.create_task(self._read(process.stdout, "printed")),
            asyncio.create_task(self._read(process.stderr, "logged")),
        ]

    @classmethod
    async def start(cls, data_dir: Path, **settings: str) -> Served:
        served = cls(await start(data_dir, **settings), data_dir, settings)
        found = await served.prints(_SERVES)
        served.url = found[1]
        return served

    async def again(self) -> Served:
        """The same once more, on the same port."""
        port = self.url.rpartition(":")[2]
        return await Served.start(self.data_dir, **{**self.settings, "PORT": port})

    async def prints(self, pattern: re.Pattern[str]) -> re.Match[str]:
        """Wait until it has printed something."""
        async with asyncio.timeout(STARTED_WITHIN_SECONDS), self._grown:
            await self._grown.wait_for(lambda: pattern.search(self.printed) or self.process.returncode is not None)
        found = pattern.search(self.printed)
        assert found, f"ended with {self.process.returncode}:\n{self.printed}\n{self.logged}"
        return found

    async def terminate(self) -> tuple[int, float]:
        """SIGTERM; answers the exit code and how long it took."""
        started = asyncio.get_running_loop().time()
        self.process.send_signal(signal.SIGTERM)
        code = await self._ended()
        return code, asyncio.get_running_loop().time() - started

    async def kill(self) -> None:
        self.process.kill()
        await self._ended()

    async def _ended(self) -> int:
        async with asyncio.timeout(STARTED_WITHIN_SECONDS):
            code = await self.process.wait()
            # Servers of its own may hold its standard error for a moment longer.
            await asyncio.wait(self._reading, timeout=5)
        return code

    async def _read(self, stream: asyncio.StreamReader, name: str) -> None:
        while chunk := await stream.read(65536):
            async with self._grown:
                setattr(self, name, getattr(self, name) + chunk.decode())
                self._grown.notify_all()
        async with self._grown:
            await self.process.wait()
            self._grown.notify_all()


@asynccontextmanager
async def serving(data_dir: Path, **settings: str) -> AsyncIterator[Served]:
    """A server for the length of a test; what was started again after it is the test's own business."""
    served = await Served.start(data_dir, **settings)
    try:
        yield served
    finally:
        if served.process.returncode is None:
            await served.terminate()
