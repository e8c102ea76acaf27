"""The parent of the workers: holds the port, starts each worker and restarts it when it dies.

It imports little, because what it imports stays in memory for nothing, and serves no request itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import sys
from asyncio.subprocess import Process
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

import structlog

from server.draining import DRAIN_SECONDS
from server.workers.configuration import COMMAND, WorkerConfiguration, WorkerReport, read_report
from server.workers.ipc import make_pair
from store.backoff import ExponentialBackoff


@contextmanager
def reserved(host: str, port: int) -> Iterator[int]:
    """The port, which others than our workers cannot have. Raises OSError."""
    with ExitStack() as stack:
        for family, *_, address in _addresses(host, port):
            # All addresses of a name get the port that the first one was given.
            place = (address[0], port, *address[2:])
            port = stack.enter_context(_bound(family, place)).getsockname()[1]
        yield port


def _addresses(host: str, port: int) -> list[tuple[int, int, int, str, tuple[str, int, int, int]]]:
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)  # type: ignore[return-value]


def _bound(family: int, place: tuple[str | int, ...]) -> socket.socket:
    """Bound alone, so that a port in use is refused, and shared afterwards; it never listens."""
    reservation = socket.socket(family)
    try:
        reservation.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            reservation.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        reservation.bind(place)
        reservation.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    except BaseException:
        reservation.close()
        raise
    return reservation


_PROGRAM = Path(__file__).resolve().parents[2] / "run.py"


class WorkerProcess:
    def __init__(self, process: Process, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._process = process
        self._reader, self._writer = reader, writer

    @classmethod
    async def start(cls, configuration: WorkerConfiguration) -> WorkerProcess:
        ours, its = socket.socketpair()
        with its:
            reader, writer = await asyncio.open_connection(sock=ours)
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                str(_PROGRAM),
                COMMAND,
                str(configuration.index),  # for those who read a list of processes
                str(its.fileno()),
                stdin=asyncio.subprocess.DEVNULL,
                pass_fds=(its.fileno(), configuration.receiver, *configuration.senders),
                # Out of reach of Ctrl-C, which is the parent's to handle.
                start_new_session=True,
            )
        writer.write(configuration.line())
        return cls(process, reader, writer)

    async def report(self) -> WorkerReport | None:
        """Waits until it serves or cannot; None when it just died."""
        try:
            return read_report(await self._reader.readline())
        except ConnectionError:
            return None

    async def ended(self) -> int:
        code = await self._process.wait()
        # Our end closes last: a worker takes that for the parent's death.
        self._writer.close()
        return code

    def terminate(self) -> None:
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(number)


log = structlog.get_logger("workers")

# A worker that ends sooner than this after its start was not well from the beginning.
_SOON_SECONDS: Final = 10.0
_MOST_SOON: Final = 5
_BACKOFF = ExponentialBackoff(first=0.1, longest=5.0)
# One that was signalled to end while Python was still starting has no handler for it yet.
_ORDERLY: Final = (0, -signal.SIGTERM)


class GivenUp(Exception):
    """What a person has to know and do before the workers can run."""


class Supervision:
    def __init__(self, configuration: WorkerConfiguration, serves: Callable[[str], None]) -> None:
        """``serves`` is called with the URL each time the worker is ready."""
        self._configuration = configuration
        self._serves = serves
        self._worker: WorkerProcess | None = None
        self._stopping = False
        self._ready_once = False
        self._ended_soon = 0
        # Those that ended soon, one after the other, for whatever reason.
        self._short_lives = 0
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
        worker = self._worker = await WorkerProcess.start(self._configuration)
        if self._stopping:
            worker.terminate()
        report = await worker.report()
        if report is not None and report.url is not None:
            self._ready_once = True
            self._serves(report.url)
            # It listens; should the database that it waits for refuse it, it reports that and ends.
            refusal = await worker.report()
            if refusal is not None and refusal.reason is not None:
                await worker.ended()
                raise GivenUp(refusal.reason)
        code = await worker.ended()
        if report is not None and report.reason is not None:
            self._unable(report.reason)
        return code

    def _unable(self, reason: str) -> None:
        """A database that is away ends a start; later on the other workers may still serve, and it is waited for."""
        if not self._ready_once:
            raise GivenUp(reason)
        self._ended_soon = 0
        log.error("a worker cannot start", worker=self._configuration.index, reason=reason)

    def _judge(self, code: int, *, soon: bool) -> None:
        if not self._ready_once:
            raise GivenUp(f"Worker {self._configuration.index} ended with code {code} before it served; see above.")
        log.warning("a worker ended; starting it again", worker=self._configuration.index, code=code)
        self._ended_soon = self._ended_soon + 1 if soon else 0
        self._short_lives = self._short_lives + 1 if soon else 0
        if self._ended_soon >= _MOST_SOON:
            times = f"{_MOST_SOON} times, each within {_SOON_SECONDS:.0f} s of its start"
            index = self._configuration.index
            raise GivenUp(f"Worker {index} ended {times}, the last time with code {code}; see above.")

    async def _wait(self) -> None:
        try:
            await asyncio.wait_for(self._stop.wait(), _BACKOFF.pause(self._short_lives + 1))
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


async def supervise(
    count: int,
    ports: tuple[int, int | None],
    mongo_url: str,
    redis_url: str,
    stop: asyncio.Event,
    announce: Callable[[str], None],
) -> int:
    """Run ``count`` workers until ``stop``; ``announce`` is given the URL once all serve.

    ``ports`` are reserved: the public one, and the operators' where that is another.

    Answers the exit code. Raises ``GivenUp``.
    """
    with ExitStack() as stack:
        pairs = [make_pair() for _ in range(count)]
        for end in (end for pair in pairs for end in pair):
            stack.enter_context(end)
        senders = tuple(sender.fileno() for _, sender in pairs)
        missing = set(range(count))
        supervisions = [
            Supervision(
                WorkerConfiguration(index, *ports, mongo_url, redis_url, receiver.fileno(), senders),
                lambda url, index=index: _one_serves(missing, index, url, announce),  # type: ignore[misc]
            )
            for index, (receiver, _) in enumerate(pairs)
        ]
        return await _until_stopped(supervisions, stop)


def _one_serves(missing: set[int], index: int, url: str, announce: Callable[[str], None]) -> None:
    last = missing == {index}
    missing.discard(index)
    if last:
        announce(url)


async def _until_stopped(supervisions: Sequence[Supervision], stop: asyncio.Event) -> int:
    tasks = [asyncio.ensure_future(supervision.run()) for supervision in supervisions]
    stopped = asyncio.ensure_future(stop.wait())
    await asyncio.wait([stopped, *tasks], return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    for supervision in supervisions:
        supervision.stop()
    outcomes = await _ended(supervisions, tasks)
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome
    return max(outcome for outcome in outcomes if isinstance(outcome, int))


async def _ended(
    supervisions: Sequence[Supervision], tasks: Sequence[asyncio.Future[int]]
) -> list[int | BaseException]:
    _, late = await asyncio.wait(tasks, timeout=DRAIN_SECONDS)
    if late:
        log.error("workers did not end in time and are killed", workers=len(late))
        for supervision in supervisions:
            supervision.kill()
    return await asyncio.gather(*tasks, return_exceptions=True)


__all__ = ["GivenUp", "supervise"]
