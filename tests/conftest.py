"""Real servers for every test: those named by MONGO_URL and REDIS_URL, else embedded ones."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import gc
import os
import shutil
import threading
import time
from collections.abc import AsyncIterator, Iterator
from hashlib import sha256
from itertools import chain, groupby, islice
from operator import attrgetter
from pathlib import Path

import pytest
import structlog
import uvloop
from hypothesis import settings
from pymongo import AsyncMongoClient

from server import embedded
from server.app import utc_now
from server.commands.serve import COLLECTOR_THRESHOLD
from server.embedded.programs import EmbeddedPaths
from server.revocation import freshness
from store.database import Database
from tests.harness import described
from tests.harness.databases import made_at, make_empty, named, own_database, reused_databases
from tests.harness.nodes import PROMISED_SECONDS, RunningNode, running_node
from tests.harness.people import People

# As servers do, which also takes less of a run's time than asyncio's own loop.
asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())

# What an example takes on a shared machine says nothing about it: no deadlines. Whoever has to be steady tries the same
# examples each time; `make soak` looks for others. A failure says how to try its example again.
settings.register_profile("steady", deadline=None, derandomize=True, database=None, print_blob=True)
settings.register_profile("random", deadline=None, derandomize=False, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "steady"))

# What a node of this process logs is seen where a test fails; frames with their sources take a hundredth of a run.
structlog.configure(
    processors=[
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
    ]
)

# Where tests mostly wait, for leases to run out and servers to come back.
_WAITING = ("together", "faults")
# The processes that these share take twenty seconds of a processor to start again once they were left for others.
_LAST = "conversations"
_COMPUTING_MODULES_PER_WAITING = 3

_HERE = Path(__file__).resolve().parents[1]
_MEMORY = Path("/dev/shm")
_TEST_DATA_BYTES = 4_000_000_000
_KEEPER_ENDS_WITHIN_SECONDS = 10.0


def _data_dir() -> Path:
    """In memory where there is room for a run: on a disk every commit of every test waits for it."""
    with contextlib.suppress(OSError):
        folder = _MEMORY / f"spotter-tests-{os.getuid()}-{sha256(bytes(_HERE)).hexdigest()[:12]}"
        if shutil.disk_usage(_MEMORY).free > _TEST_DATA_BYTES:
            folder.mkdir(mode=0o700, exist_ok=True)
            # Anybody may make folders there.
            if folder.lstat().st_uid == os.getuid() and not folder.is_symlink():
                return folder
    return _HERE / ".data" / "test"


# Apart from the data of `make run`, and shared by all test processes and all runs in this folder.
TEST_DATA = Path(os.environ.setdefault("SPOTTER_TEST_DATA", str(_data_dir())))
_LEFT_BEHIND_SECONDS = 6 * 3600


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What waits is spread over what computes, so that the processors have work all the time."""
    waiting: list[list[pytest.Item]] = []
    computing: list[list[pytest.Item]] = []
    last: list[list[pytest.Item]] = []
    for path, module in groupby(items, attrgetter("path")):
        folder = path.relative_to(Path(__file__).parent).parts[0]
        kind = waiting if folder in _WAITING else last if folder == _LAST else computing
        kind.append(list(module))
    others = chain(computing, last)
    spread = [[one, *islice(others, _COMPUTING_MODULES_PER_WAITING)] for one in waiting]
    items[:] = chain.from_iterable(chain(*spread, others))


def pytest_collection_finish() -> None:
    """What was imported stays; the collector need not look at it again and again. The rest is a server's own."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECTOR_THRESHOLD)


def pytest_unconfigure(config: pytest.Config) -> None:
    """What was in memory is given back, by the run that ends last."""
    if hasattr(config, "workerinput") or _MEMORY not in TEST_DATA.parents:
        return
    with contextlib.suppress(OSError), EmbeddedPaths.under(TEST_DATA).lock.open("a") as lock:
        # Whoever kept the servers says that they have ended, and then ends; another run keeps them for long.
        deadline = time.monotonic() + _KEEPER_ENDS_WITHIN_SECONDS
        while time.monotonic() < deadline:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                time.sleep(0.02)
            else:
                shutil.rmtree(TEST_DATA, ignore_errors=True)
                return


@pytest.fixture
def thread_gate() -> Iterator[threading.Event]:
    """For threads to wait at. It opens at the end whatever becomes of the test: the end of a pool waits for its
    threads, and the whole run with it."""
    gate = threading.Event()
    yield gate
    gate.set()


@pytest.fixture(scope="session", autouse=True)
def refusals_observed() -> Iterator[None]:
    with described.refusals_observed():
        yield


@pytest.fixture(autouse=True)
def refusals_are_described() -> Iterator[None]:
    """Every code that a server of this process refuses with is one that the documents have of its row."""
    yield
    found = sorted(described.undescribed)
    described.undescribed.clear()
    assert found == [], "name them in handlers/refusals.py"


@pytest.fixture(autouse=True)
def revocations_are_bounded(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """As promised, where dependencies fail or nodes are watched together."""
    if request.path.relative_to(Path(__file__).parent).parts[0] in ("together", "faults"):
        monkeypatch.setattr(freshness, "BOUND_SECONDS", PROMISED_SECONDS)


@pytest.fixture(scope="session")
async def mongo_url() -> AsyncIterator[str]:
    async with contextlib.AsyncExitStack() as stack:
        url = os.environ.get("MONGO_URL")
        if not url:
            url = (await stack.enter_async_context(embedded.servers(TEST_DATA, redis=False))).mongo_url
        assert url is not None
        await _drop_left_behind(url)
        # What is in memory goes as a whole.
        async with reused_databases(url, drop=_MEMORY not in TEST_DATA.parents or "MONGO_URL" in os.environ):
            yield url


@pytest.fixture(scope="session")
async def redis_url(worker_id: str) -> AsyncIterator[str]:
    """Channels know no database numbers, so each test process has a server of its own, unless REDIS_URL names one."""
    async with contextlib.AsyncExitStack() as stack:
        url = os.environ.get("REDIS_URL")
        if not url:
            data = TEST_DATA / f"redis-{worker_id}"
            url = (await stack.enter_async_context(embedded.servers(data, mongo=False))).redis_url
        assert url is not None
        yield url


@pytest.fixture(scope="session")
async def kept_database(mongo_url: str) -> AsyncIterator[Database]:
    """The database of this test process."""
    async with own_database(mongo_url) as url:
        kept = Database(url)
        yield kept
        kept.close()


@pytest.fixture
async def database(kept_database: Database) -> AsyncIterator[Database]:
    """Empty, with the indexes that earlier tests made; emptied afterwards."""
    yield kept_database
    await make_empty(kept_database)


@pytest.fixture
def database_url(mongo_url: str, database: Database) -> str:
    return named(mongo_url, database.db.name)


async def _drop_left_behind(url: str) -> None:
    """Databases of runs that were killed, long enough ago not to be somebody's who runs beside us."""
    client: AsyncMongoClient[dict[str, object]] = AsyncMongoClient(url)
    async with client:
        for name in await client.list_database_names():
            at = made_at(name)
            if at is not None and at < time.time() - _LEFT_BEHIND_SECONDS:
                await client.drop_database(name)


@pytest.fixture
async def running(database_url: str, redis_url: str, tmp_path: Path) -> AsyncIterator[RunningNode]:
    """A node of the test's own."""
    async with running_node(database_url, redis_url, tmp_path) as node:
        yield node


@pytest.fixture
def people(running: RunningNode) -> People:
    return People(running.node.store, running.node.tokens, utc_now)
