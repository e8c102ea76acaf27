"""Two processes on one database, and devices that are connected to the one or the other, as the test wishes."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import cycle
from pathlib import Path
from typing import Literal, Protocol

from domain.wire.events import CONVERSATIONS
from server.app import utc_now
from server.security.tokens import AccessTokens
from store.database import Database
from store.store import Store
from tests.harness.devices import Device, device
from tests.harness.nodes import SECRET
from tests.harness.people import People, Person
from tests.together.processes import served
from tests.together.workers_program import program, worker_of

NODES = 2
# Each connection goes to either worker with a probability of a half.
_TRIES = 64

Kind = Literal["workers", "programs"]


class Deployment(Protocol):
    """Where the devices of a test go. ``url``: of any process."""

    @property
    def url(self) -> str: ...
    async def connect(
        self, stack: AsyncExitStack, person: Person, node: int, transports: Sequence[str], *namespaces: str
    ) -> Device:
        """A device on the process of that number, disconnected with the stack."""


class Programs:
    """Two ``run.py``, which have nothing in common but MongoDB and Redis."""

    def __init__(self, urls: Sequence[str]) -> None:
        self._urls = urls
        self.url = urls[0]

    async def connect(
        self, stack: AsyncExitStack, person: Person, node: int, transports: Sequence[str], *namespaces: str
    ) -> Device:
        wanted = namespaces or (CONVERSATIONS,)
        return await stack.enter_async_context(device(self._urls[node], person, wanted, transports))


class Workers:
    """One ``run.py`` with two workers, of which the kernel picks one."""

    def __init__(self, url: str) -> None:
        self.url = url

    async def connect(
        self, stack: AsyncExitStack, person: Person, node: int, transports: Sequence[str], *namespaces: str
    ) -> Device:
        wanted = namespaces or (CONVERSATIONS,)
        for _ in range(_TRIES):
            async with AsyncExitStack() as attempt:
                phone = await attempt.enter_async_context(device(self.url, person, wanted, transports))
                if worker_of(phone) == node:
                    await stack.enter_async_context(attempt.pop_all())
                    return phone
        raise AssertionError(f"no connection of {_TRIES} went to worker {node}")


@asynccontextmanager
async def deployed(kind: Kind, mongo_url: str, redis_url: str, folder: Path) -> AsyncIterator[Deployment]:
    """Nothing that a test does may make the processes log an error."""
    async with AsyncExitStack() as stack:
        if kind == "workers":
            one = await stack.enter_async_context(program(folder, NODES, MONGO_URL=mongo_url, REDIS_URL=redis_url))
            yield Workers(one.url)
            said = one.said()
        else:
            names = [folder / str(number) for number in range(NODES)]
            both = [await stack.enter_async_context(served(mongo_url, redis_url, name)) for name in names]
            yield Programs([each.url for each in both])
            said = "".join((name / "log").read_text() for name in names)
        assert "[error" not in said, said


class TwoProcesses:
    """What ``tests.harness.service.OneNode`` is, over two processes: each user's devices are spread over both."""

    def __init__(self, database: Database, deployment: Deployment, transports: Sequence[Sequence[str]]) -> None:
        self.store = Store(database)
        self.people = People(self.store, AccessTokens(SECRET), utc_now)
        self.url = deployment.url
        self._deployment = deployment
        self._first_nodes: dict[str, int] = {}
        self._devices: Counter[str] = Counter()
        self._turns = cycle(transports)

    @asynccontextmanager
    async def device(self, person: Person, *, transports: Sequence[str] | None = None) -> AsyncIterator[Device]:
        """Over ``transports``, or those whose turn it is."""
        first_node = self._first_nodes.setdefault(person.id, len(self._first_nodes))
        node = (first_node + self._devices[person.id]) % NODES
        self._devices[person.id] += 1
        async with AsyncExitStack() as stack:
            yield await self._deployment.connect(stack, person, node, transports or next(self._turns))
