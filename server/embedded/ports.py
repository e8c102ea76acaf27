"""Loopback ports that stay the same from run to run where they can."""

from __future__ import annotations

import random
import socket
from pathlib import Path

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
