"""What waits: single flight, write-behind, and tasks that nobody awaits.

The store is the lowest layer that waits for anything, so handlers and the server take these from here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from contextvars import Context
from itertools import islice
from typing import Any, Generic, TypeVar, cast

from store.command_budget import BUDGET_SECONDS, Budget, begin, no_budget, within

K = TypeVar("K")
V = TypeVar("V")
T = TypeVar("T")


_CANCEL_AGAIN_SECONDS = 0.05
# Of all tries to write what many have noted: what is never answered must not hold up the rest for longer.
WRITE_SECONDS = 8.0


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
        # Whoever leaves must not take it away from the others.
        return cast(T, await asyncio.shield(self._begun(key, work)))

    def begin(self, key: str, work: Callable[[], Coroutine[Any, Any, Any]]) -> None:
        """Begin the work unless it is under way; nobody waits for it."""
        self._begun(key, work)

    def _begun(self, key: str, work: Callable[[], Coroutine[Any, Any, Any]]) -> asyncio.Task[Any]:
        task = self._flying.get(key)
        # One that has ended is found here until the loop's next turn: whoever tries in a loop would wait for nothing.
        if task is None or task.done():
            task = self._flying[key] = detached(work(), BUDGET_SECONDS)
            task.add_done_callback(lambda ended: self._forget(key, ended))
        return task

    def _forget(self, key: str, ended: asyncio.Task[Any]) -> None:
        if self._flying.get(key) is ended:
            del self._flying[key]


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
            with within(Budget(seconds=WRITE_SECONDS)):
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
        self._tasks: set[asyncio.Task[Any]] = set()
        self._stopped = False

    def __len__(self) -> int:
        return len(self._tasks)

    def spawn(self, work: Coroutine[Any, Any, None], context: Context | None = None) -> None:
        """Begin it, in the context if one is given; after ``stop`` nothing begins any more."""
        if self._stopped:
            work.close()
            return
        self.hold(asyncio.get_running_loop().create_task(work, context=context))

    def hold(self, task: asyncio.Task[Any]) -> None:
        """One that is at work already."""
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def wait(self) -> None:
        """Return when none is left."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def stop(self) -> None:
        self._stopped = True
        await cancelled(tuple(self._tasks))


_detached = Tasks()


def detached(work: Coroutine[Any, Any, T], seconds: float | None = None) -> asyncio.Task[T]:
    """A task that others may wait for as well, with ``seconds`` of its own; its error may stay unread."""
    context = no_budget()
    if seconds is not None:
        context.run(begin, Budget(seconds=seconds))
    task = asyncio.get_running_loop().create_task(work, context=context)
    _detached.hold(task)
    task.add_done_callback(_read_error)
    return task


def _read_error(task: asyncio.Task[Any]) -> None:
    if not task.cancelled():
        task.exception()
