"""The embedded servers of a program, seen from outside: where MongoDB listens, and which processes they are."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from server.app import utc_now
from server.security.tokens import AccessTokens
from store.database import Database
from store.store import Store
from tests.harness.nodes import SECRET
from tests.harness.people import People
from tests.server.embedded.observed import ProcessEnd


def mongod_pid(data_dir: Path) -> int:
    """MongoDB writes it into its lock."""
    return int((data_dir / "embedded" / "mongod" / "mongod.lock").read_text(encoding="ascii"))


async def kill(pid: int) -> None:
    """``kill -9``; returns when the process is gone."""
    end = ProcessEnd(pid)
    os.kill(pid, signal.SIGKILL)
    await end.wait()


@asynccontextmanager
async def residents(data_dir: Path) -> AsyncIterator[People]:
    """Makes people in the database of the program that runs on ``data_dir``."""
    port = (data_dir / "embedded" / "mongod.port").read_text(encoding="ascii")
    database = Database(f"mongodb://127.0.0.1:{port}/?replicaSet=spotter")
    try:
        yield People(Store(database), AccessTokens(SECRET), utc_now)
    finally:
        database.close()
