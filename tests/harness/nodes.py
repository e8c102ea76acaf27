"""A node in the test's own process, on a free port, with a database of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from server.app import Node, utc_now
from server.revocation import freshness
from server.revocation import watch as revocation
from server.security.passwords import CHEAP
from server.settings import load
from store import database as databases
from store import store as stores
from store.database import CollectionSchema, Database, prepare
from tests.harness.databases import prepare_once

# A thread of the driver ends a quarter of a second later than a node that does not wait for it: of a thousand nodes of
# tests that is minutes.
revocation.STOP_SECONDS = 0.0
# A busy machine keeps a node from its database for seconds, and then nothing is published to its sockets. Those tests
# that are about it have the promised bound (``revocations_are_bounded``).
PROMISED_SECONDS, freshness.BOUND_SECONDS = freshness.BOUND_SECONDS, 3 * freshness.BOUND_SECONDS
# And there nodes whose transactions conflict need more than two seconds until each has had its turn.
databases.TRANSACTION_TIMEOUT_SECONDS *= 3
SECRET = "tests-only-8f2b6c1d9e7a4053b1c2d3e4f5a60718"
_starts_for_a_test: ContextVar[bool] = ContextVar("starts_for_a_test", default=False)


async def _prepare(database: Database, schemas: Sequence[CollectionSchema]) -> None:
    """Hundreds of nodes would ask for each index again."""
    await (prepare_once if _starts_for_a_test.get() else prepare)(database, schemas)


setattr(stores, "prepare", _prepare)  # noqa: B010 - it is imported there


@dataclass(frozen=True)
class RunningNode:
    node: Node
    url: str


@asynccontextmanager
async def running_node(
    mongo_url: str,
    redis_url: str,
    data_dir: Path,
    clock: Callable[[], datetime] = utc_now,
    **environ: str,
) -> AsyncIterator[RunningNode]:
    """``environ``: settings by their names, over those of the tests (limits a thousand times looser)."""
    settings = load(
        {"PORT": "0", "JWT_SECRET": SECRET, "RATE_LIMIT_SCALE": "1000", "DATA_DIR": str(data_dir),
         "SANDBOX_PORT": "1", **environ}, None
    )
    node = Node(settings, mongo_url, redis_url, clock=clock, password_cost=CHEAP)
    for_a_test = _starts_for_a_test.set(True)
    try:
        try:
            url = await node.start()
        finally:
            _starts_for_a_test.reset(for_a_test)
        assert node.preparation is not None
        # On a busy machine it listens before it serves.
        await node.preparation
        yield RunningNode(node, url)
    finally:
        await node.stop()
