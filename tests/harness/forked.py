"""``run.py`` in a process of its own, forked from one that has imported the server: a tenth of the time of a start.

What is started by its command line is started so elsewhere: the workers, the embedded servers, the client's server.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import runpy
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from pathlib import Path

# For those too who fork something else of ours.
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["tests.harness.imported"])


class ForkedProcess:
    """As far as tests need it, what ``asyncio.subprocess.Process`` is."""

    def __init__(self, process: ForkServerProcess, stdout: asyncio.StreamReader, stderr: asyncio.StreamReader) -> None:
        self._process = process
        self.stdout, self.stderr = stdout, stderr
        self._ended = asyncio.Event()
        asyncio.get_running_loop().add_reader(process.sentinel, self._end)

    def _end(self) -> None:
        asyncio.get_running_loop().remove_reader(self._process.sentinel)
        self._ended.set()

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        if self.returncode is not None:
            raise ProcessLookupError
        os.kill(self.pid, number)

    def kill(self) -> None:
        """Unless it has ended: a test may have had it killed a moment ago."""
        with suppress(ProcessLookupError):
            self.send_signal(signal.SIGKILL)

    async def wait(self) -> int:
        await self._ended.wait()
        assert self.returncode is not None
        return self.returncode

    async def communicate(self) -> tuple[bytes, bytes]:
        """All of standard output and standard error."""
        said, logged, _ = await asyncio.gather(self.stdout.read(), self.stderr.read(), self.wait())
        return said, logged


async def start(
    program: Path, arguments: Sequence[str], folder: Path, environ: Mapping[str, str], log: Path | None = None
) -> ForkedProcess:
    """The program in ``folder`` with this environment alone; ``log``: where standard error goes, else to be read."""
    out, its_out = FORKS.Pipe()
    err, its_err = FORKS.Pipe()
    with out, its_out, err, its_err:
        files = (its_out, its_err if log is None else log)
        process = FORKS.Process(target=_run, args=(program, arguments, folder, dict(environ), *files), daemon=True)
        # The first one waits for the imports.
        await asyncio.to_thread(process.start)
        return ForkedProcess(process, await _reader(out), await _reader(err))


class _Output(asyncio.StreamReaderProtocol):
    def eof_received(self) -> bool:
        """Nothing is to be sent: with the last byte it is closed."""
        super().eof_received()
        return False


async def _reader(end: Connection) -> asyncio.StreamReader:
    """Of a socket, and no file: uvloop closes a file's descriptor, and the file closes that number once more."""
    reader = asyncio.StreamReader()
    mine = socket.socket(fileno=os.dup(end.fileno()))
    await asyncio.get_running_loop().create_unix_connection(lambda: _Output(reader), sock=mine)
    return reader


def _run(
    program: Path,
    arguments: Sequence[str],
    folder: Path,
    environ: dict[str, str],
    out: Connection,
    err: Connection | Path,
) -> None:
    os.dup2(out.fileno(), 1)
    out.close()
    if isinstance(err, Path):
        with err.open("wb") as log:
            os.dup2(log.fileno(), 2)
    else:
        os.dup2(err.fileno(), 2)
        err.close()
    os.environ.clear()
    os.environ.update(environ)
    os.chdir(folder)
    sys.argv = [str(program), *arguments]
    runpy.run_path(str(program), run_name="__main__")
