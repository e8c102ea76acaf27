"""One of the parent's tasks for each worker: keep it running."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from typing import Final

import structlog

from server.workers.orders import Orders
from server.workers.worker_process import WorkerProcess

log = structlog.get_logger("workers")

# A worker that ends sooner than this after its start was not well from the beginning.
_SOON_SECONDS: Final = 10.0
_MOST_SOON: Final = 5
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 5.0
# One that was told to end while Python was still starting has no handler for it yet.
_ORDERLY: Final = (0, -signal.SIGTERM)


class GivenUp(Exception):
    """What a person has to know and do before the workers can run."""


class Supervision:
    def __init__(self, orders: Orders, serves: Callable[[str], None]) -> None:
        """``serves`` is told the URL each time the worker is ready."""
        self._orders = orders
        self._serves = serves
        self._worker: WorkerProcess | None = None
        self._stopping = False
        self._ready_once = False
        self._ended_soon = 0
        self._pause = _FIRST_PAUSE
        self._stop = asyncio.Event()

    async def run(self) -> int:
        """Until it is stopped; then the last worker's exit code. Raises ``GivenUp``."""
        clock = asyncio.get_running_loop().time
        while True:
            since = clock()
            code = await self._one_life()
            if self._stopping:
                return 0 if code in _ORDERLY else 1
            self._judge(code, soon=clock() - since < _SOON_SECONDS)
            await self._wait()
            if self._stopping:
                return 0

    async def _one_life(self) -> int:
        worker = self._worker = await WorkerProcess.start(self._orders)
        if self._stopping:
            worker.terminate()
        report = await worker.report()
        if report is not None and report.url is not None:
            self._ready_once = True
            self._serves(report.url)
        code = await worker.ended()
        if report is not None and report.reason is not None:
            self._unable(report.reason)
        return code

    def _unable(self, reason: str) -> None:
        """A database that is away ends a start; later on the other workers may still serve, and it is waited for."""
        if not self._ready_once:
            raise GivenUp(reason)
        self._ended_soon = 0
        log.error("a worker cannot start", worker=self._orders.index, reason=reason)

    def _judge(self, code: int, *, soon: bool) -> None:
        if not self._ready_once:
            raise GivenUp(f"Worker {self._orders.index} ended with code {code} before it served; see above.")
        log.warning("a worker ended; starting it again", worker=self._orders.index, code=code)
        self._ended_soon = self._ended_soon + 1 if soon else 0
        self._pause = min(self._pause * 2, _LONGEST_PAUSE) if soon else _FIRST_PAUSE
        if self._ended_soon >= _MOST_SOON:
            times = f"{_MOST_SOON} times, each within {_SOON_SECONDS:.0f} s of its start"
            raise GivenUp(f"Worker {self._orders.index} ended {times}, the last time with code {code}; see above.")

    async def _wait(self) -> None:
        try:
            await asyncio.wait_for(self._stop.wait(), self._pause)
        except TimeoutError:
            return

    def stop(self) -> None:
        """Let the worker drain, and start no other."""
        self._stopping = True
        self._stop.set()
        if self._worker is not None:
            self._worker.terminate()

    def kill(self) -> None:
        if self._worker is not None:
            self._worker.kill()
