"""One worker as its parent sees it."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import sys
from asyncio.subprocess import Process
from pathlib import Path

from server.workers.orders import COMMAND, Orders, Report, read_report

_PROGRAM = Path(__file__).resolve().parents[2] / "run.py"


class WorkerProcess:
    def __init__(self, process: Process, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._process = process
        self._reader, self._writer = reader, writer

    @classmethod
    async def start(cls, orders: Orders) -> WorkerProcess:
        ours, its = socket.socketpair()
        with its:
            reader, writer = await asyncio.open_connection(sock=ours)
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                str(_PROGRAM),
                COMMAND,
                str(orders.index),  # for those who read a list of processes
                str(its.fileno()),
                stdin=asyncio.subprocess.DEVNULL,
                pass_fds=(its.fileno(), orders.inbox, *orders.outboxes),
                # Out of reach of Ctrl-C, which is the parent's to hear.
                start_new_session=True,
            )
        writer.write(orders.line())
        return cls(process, reader, writer)

    async def report(self) -> Report | None:
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
