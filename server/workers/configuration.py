"""What the parent and a worker send to each other, over a socket that ends when either does."""

from __future__ import annotations

import json
import os
import socket
from dataclasses import asdict, dataclass
from typing import Final

# The hidden command of run.py that a worker is started with.
COMMAND: Final = "worker"


@dataclass(frozen=True, slots=True)
class WorkerConfiguration:
    """The first line to a worker; files by their descriptors, which it inherits."""

    index: int
    port: int
    operations_port: int | None
    mongo_url: str
    redis_url: str
    receiver: int
    senders: tuple[int, ...]

    def line(self) -> bytes:
        return json.dumps(asdict(self)).encode() + b"\n"


@dataclass(frozen=True, slots=True)
class WorkerReport:
    """A line from a worker: where it serves, or why it cannot, which it may find out later."""

    url: str | None = None
    reason: str | None = None

    def line(self) -> bytes:
        return json.dumps(asdict(self)).encode() + b"\n"


def read_configuration(control: socket.socket) -> WorkerConfiguration:
    """Waits for the configuration; a parent that is gone ends the worker."""
    line = b""
    while not line.endswith(b"\n"):
        part = control.recv(65536)
        if not part:
            os._exit(1)
        line += part
    fields = json.loads(line)
    return WorkerConfiguration(**{**fields, "senders": tuple(fields["senders"])})


def read_report(line: bytes) -> WorkerReport | None:
    """None when the worker died before it could report."""
    return WorkerReport(**json.loads(line)) if line.endswith(b"\n") else None
