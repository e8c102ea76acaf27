"""The command lines of the servers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

REPLICA_SET = "spotter"

# (program, port, data folder) -> argv
CommandLine = Callable[[str, int, Path], list[str]]


def mongod(program: str, port: int, data: Path) -> list[str]:
    parameters = {
        "transactionLifetimeLimitSeconds": "5",
        "diagnosticDataCollectionEnabled": "false",
        # Nobody is there to take over from a lone primary, so it need not linger.
        "shutdownTimeoutMillisForSignaledShutdown": "100",
    }
    command = [program, "--port", str(port), "--bind_ip", "127.0.0.1", "--nounixsocket"]
    command += ["--dbpath", str(data), "--replSet", REPLICA_SET, "--quiet"]
    command += ["--wiredTigerCacheSizeGB", "0.25", "--oplogSize", "256"]
    # Each collection and index is a file: those of dropped databases are closed after seconds, not ten minutes.
    command += ["--wiredTigerEngineConfigString", "file_manager=(close_idle_time=10,close_scan_interval=5)"]
    for name, value in parameters.items():
        command += ["--setParameter", f"{name}={value}"]
    return command


def redis(program: str, port: int, data: Path) -> list[str]:
    """Without persistence: Redis carries hints only."""
    command = [program, "--port", str(port), "--bind", "127.0.0.1", "--dir", str(data)]
    return [*command, "--save", "", "--appendonly", "no", "--daemonize", "no"]


COMMANDS: dict[str, CommandLine] = {"mongod": mongod, "redis": redis}
