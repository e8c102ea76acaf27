"""Processes that are stopped as in a debugger: they hold their connections, answer nothing, and do not die."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_STOPPED_WITHIN_SECONDS = 10.0
_TURN_SECONDS = 0.0005
# Stopped, stopped by a tracer, dead.
_STILL = frozenset("TtZX")


def freeze(pid: int) -> None:
    """SIGSTOP; returns when none of its threads runs any more.

    Only once the thread that takes the signal is scheduled do the others learn of it. On a busy machine a server so
    answers for tens of milliseconds more.
    """
    os.kill(pid, signal.SIGSTOP)
    deadline = time.monotonic() + _STOPPED_WITHIN_SECONDS
    while _runs(pid):
        assert time.monotonic() < deadline, f"process {pid} does not stop"
        time.sleep(_TURN_SECONDS)


def thaw(pid: int) -> None:
    """SIGCONT."""
    os.kill(pid, signal.SIGCONT)


@contextmanager
def frozen(*pids: int) -> Iterator[None]:
    for pid in pids:
        freeze(pid)
    try:
        yield
    finally:
        for pid in pids:
            thaw(pid)


def _runs(pid: int) -> bool:
    for task in Path(f"/proc/{pid}/task").iterdir():
        # A thread may end meanwhile.
        with suppress(FileNotFoundError, ProcessLookupError):
            if (task / "stat").read_text().rpartition(")")[2].split()[0] not in _STILL:
                return True
    return False
