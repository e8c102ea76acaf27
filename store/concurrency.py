"""What waits: single flight, write-behind, a fair limiter, and tasks that nobody awaits.

The store is the lowest layer that waits for anything, so handlers and the server take these from here.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Mapping
from contextlib import asynccontextmanager
from itertools import islice
from time import monotonic
from typing import Any, Generic, TypeVar, cast

from store.command_budget import BUDGET_SECONDS, detached

K = TypeVar("K")
V = TypeVar("V")
T = TypeVar("T")


_CANCEL_AGAIN_SECONDS = 0.05


async def cancelled(tasks: Iterable[asyncio.Task[Any] | None]) -> None:
    """Cancel tasks until they have ended.

    Once is not enough: ``asyncio.wait_for`` drops a cancellation that comes in the moment in which its work is done
    (CPython 3.11), and redis-py may take one for a connection that failed; either then goes on.
    """
    while working := [task for task in tasks if task is not None and not task.done()]:
        for task in working:
            task.cancel()
        await asyncio.wait(working, timeout=_CANCEL_AGAIN_SECONDS)


class SingleFlight:
    """Work that several want in the same moment is done once."""

    def __init__(self) -> None:
        self._flying: dict[str, asyncio.Task[Any]] = {}

    async def do(self, key: str, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """What the work under way under this key comes to, or the work begun with this call."""
        task = self._flying.get(key)
        if task is None:
            task = self._flying[key] = detached(work(), BUDGET_SECONDS)
            task.add_done_callback(lambda _: self._flying.pop(key))
        # Whoever leaves must not take it away from the others.
        return cast(T, await asyncio.shield(task))


class WriteBehind(Generic[K, V]):
    """Values by key, written in batches, one batch at a time; what is noted meanwhile goes with the next.

    ``merge(older, newer)`` makes one of two values of a key. A batch whose ``write`` raises is kept, reported to
    ``failed`` and tried again after ``retry_seconds``. ``pause_seconds`` lie between two batches of a busy node; an
    idle one writes at once.
    """

    def __init__(
        self,
        write: Callable[[Mapping[K, V]], Awaitable[None]],
        merge: Callable[[V, V], V],
        *,
        max_batch: int = 512,
        pause_seconds: float = 0.0,
        retry_seconds: float = 1.0,
        failed: Callable[[Exception], None] = lambda error: None,
    ) -> None:
        self._write = write
        self._merge = merge
        self._max_batch = max_batch
        self._pause_seconds = pause_seconds
        self._retry_seconds = retry_seconds
        self._failed = failed
        self._waiting: dict[K, V] = {}
        self._writer: asyncio.Task[None] | None = None

    def waiting(self, key: K) -> V | None:
        """The value that waits for the next batch."""
        return self._waiting.get(key)

    def note(self, key: K, value: V) -> V:
        """Have it written; answers what now waits under the key."""
        older = self._waiting.get(key)
        if older is not None:
            value = self._merge(older, value)
        self._waiting[key] = value
        if self._writer is None:
            self._writer = detached(self._write_all())
        return value

    async def flush(self) -> None:
        """Return when everything noted is written."""
        while self._writer is not None:
            await asyncio.wait([self._writer])

    async def stop(self) -> None:
        """Write no more; what waits is dropped."""
        await cancelled([self._writer])

    async def _write_all(self) -> None:
        try:
            while self._waiting:
                batch = dict(islice(self._waiting.items(), self._max_batch))
                for key in batch:
                    del self._waiting[key]
                pause = self._pause_seconds if await self._written(batch) else self._retry_seconds
                if pause and self._waiting:
                    await asyncio.sleep(pause)
        finally:
            self._writer = None

    async def _written(self, batch: Mapping[K, V]) -> bool:
        try:
            await self._write(batch)
        except Exception as error:
            self._failed(error)
            for key, older in batch.items():
                newer = self._waiting.get(key)
                self._waiting[key] = older if newer is None else self._merge(older, newer)
            return False
        return True


class Tasks:
    """Tasks that nobody awaits, held until they are done."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopped = False

    def __len__(self) -> int:
        return len(self._tasks)

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Begin it; after ``stop`` nothing begins any more."""
        if self._stopped:
            work.close()
            return
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def wait(self) -> None:
        """Return when none is left."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def stop(self) -> None:
        self._stopped = True
        await cancelled(tuple(self._tasks))


class _Owner:
    __slots__ = ("at_work", "backlogs")

    def __init__(self) -> None:
        self.at_work = 0
        # By network: an owner may come from several.
        self.backlogs: dict[str, _Backlog] = {}


class _Network:
    __slots__ = ("at_work", "name", "present", "ready")

    def __init__(self, name: str) -> None:
        self.name = name
        self.at_work = 0
        self.present = 0
        # By owner, the longest not served first: backlogs whose first may begin.
        self.ready: dict[str, _Backlog] = {}


class _Backlog:
    """What one owner has waiting in one network."""

    __slots__ = ("network", "owner", "owner_name", "present", "waiting")

    def __init__(self, owner_name: str, owner: _Owner, network: _Network) -> None:
        self.owner_name = owner_name
        self.owner = owner
        self.network = network
        self.present = 0
        self.waiting: dict[asyncio.Future[None], None] = {}


class FairLimiter:
    """``of_one`` of an owner at a time, ``of_network`` of a network's, ``of_all`` of everybody's.

    The others wait: one network takes its turn after the other, and in each one owner after the other, so that whoever
    comes with much waits for himself. With ``of_network`` below ``of_all`` a network that is quiet finds a free turn
    beside a greedy one. ``refused`` makes the error for whoever waits too long; it is given in how many seconds all who
    wait would have had their turns.
    """

    def __init__(
        self, of_one: int, of_all: int, refused: Callable[[float], Exception], of_network: int | None = None
    ) -> None:
        self._of_one = of_one
        self._of_network = of_all if of_network is None else of_network
        self._of_all = of_all
        self._refused = refused
        self._turn_seconds = 0.0
        self._owners: dict[str, _Owner] = {}
        self._networks: dict[str, _Network] = {}
        # As in a network: the longest not served first.
        self._ready: dict[str, _Network] = {}
        self._present = 0
        self._at_work = 0

    @asynccontextmanager
    async def turn(self, owner: str, patience: float, network: str = "") -> AsyncIterator[None]:
        """Wait for a turn, ``patience`` seconds at most, and keep it until left."""
        backlog = self._come(owner, network)
        try:
            await self._taken(backlog, patience)
            began = monotonic()
            try:
                yield
            finally:
                self._turn_seconds += (monotonic() - began - self._turn_seconds) / 8
                self._give_back(backlog)
        finally:
            self._leave(backlog)

    def _come(self, owner_name: str, network_name: str) -> _Backlog:
        owner = self._owners.setdefault(owner_name, _Owner())
        backlog = owner.backlogs.get(network_name)
        if backlog is None:
            network = self._networks.setdefault(network_name, _Network(network_name))
            backlog = owner.backlogs[network_name] = _Backlog(owner_name, owner, network)
        backlog.present += 1
        backlog.network.present += 1
        self._present += 1
        return backlog

    def _leave(self, backlog: _Backlog) -> None:
        self._present -= 1
        backlog.present -= 1
        backlog.network.present -= 1
        if not backlog.network.present:
            del self._networks[backlog.network.name]
        if not backlog.present:
            del backlog.owner.backlogs[backlog.network.name]
            if not backlog.owner.backlogs:
                del self._owners[backlog.owner_name]

    async def _taken(self, backlog: _Backlog, patience: float) -> None:
        mine: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        backlog.waiting[mine] = None
        self._arrange(backlog)
        self._begin_next()
        try:
            async with asyncio.timeout(None if patience == math.inf else patience):
                await mine
        except BaseException as error:
            if mine in backlog.waiting:
                del backlog.waiting[mine]
                self._arrange(backlog)
            else:
                # It was given in the moment in which the wait ended.
                self._give_back(backlog)
            if isinstance(error, TimeoutError):
                raise self._refused(self._present * self._turn_seconds / self._of_all) from None
            raise

    def _give_back(self, backlog: _Backlog) -> None:
        self._count(backlog, -1)
        self._begin_next()

    def _begin_next(self) -> None:
        while self._ready and self._at_work < self._of_all:
            network = next(iter(self._ready.values()))
            backlog = next(iter(network.ready.values()))
            mine = next(iter(backlog.waiting))
            del backlog.waiting[mine]
            # Behind all others that wait.
            del self._ready[network.name], network.ready[backlog.owner_name]
            self._count(backlog, 1)
            if not mine.done():
                mine.set_result(None)

    def _count(self, backlog: _Backlog, by: int) -> None:
        self._at_work += by
        backlog.network.at_work += by
        backlog.owner.at_work += by
        for each in backlog.owner.backlogs.values():
            self._arrange(each)
        self._arrange_network(backlog.network)

    def _arrange(self, backlog: _Backlog) -> None:
        if backlog.waiting and backlog.owner.at_work < self._of_one:
            backlog.network.ready.setdefault(backlog.owner_name, backlog)
        else:
            backlog.network.ready.pop(backlog.owner_name, None)
        self._arrange_network(backlog.network)

    def _arrange_network(self, network: _Network) -> None:
        if network.ready and network.at_work < self._of_network:
            self._ready.setdefault(network.name, network)
        else:
            self._ready.pop(network.name, None)
