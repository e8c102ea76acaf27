"""The threads in which the driver works, and the time that each of its operations may take.

motor hands every operation to one pool of ``cpu_count() * 5`` threads, whatever the size of the connection pool: a few
slow reads then go before every append, sign-in and revocation. Here bulky reads have a few threads of their own, and
of the others each account and each network has so many at a time.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from functools import partial
from threading import Lock
from time import monotonic
from typing import Any, TypeVar

import pymongo
from motor.frameworks import asyncio as motor_framework

from store import command_budget
from store.command_budget import Budget
from store.fair_queue import FairQueue, Turn

T = TypeVar("T")

_begun: ContextVar[bool] = ContextVar("transaction_begun", default=False)
# Waiting for MongoDB costs a thread and little else.
THREADS = 32
# Of those, for what commands ask: the rest stays for the server's own work, appends and revocations among it, and for
# transactions that have begun. One account, and one network, leave some to the others however slow their reads are.
ASKED_AT_ONCE, ASKED_OF_NETWORK, ASKED_OF_ONE = 24, 16, 8
# Reads that can be slow: as many at once as leave MongoDB and this process to the rest. One account, and one network,
# leave one to the others.
BULK_THREADS, BULK_OF_NETWORK, BULK_OF_ONE = 4, 3, 2
# Of a budget that has run out: the driver raises before it sends anything.
_LEAST_SECONDS = 1e-6


_Work = tuple[Future[Any], Callable[[], Any]]


class FairExecutor(Executor):
    """Threads of a pool, shared by the owners of budgets, and their networks, as in a ``FairQueue``."""

    def __init__(self, pool: Executor, of_one: int, of_all: int, of_network: int | None = None) -> None:
        self._pool = pool
        self._lock = Lock()
        self._queue: FairQueue[_Work] = FairQueue(of_one, of_all, of_network)

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """On behalf of the owner of the current budget."""
        owner, network = _asker(command_budget.current())
        future: Future[T] = Future()
        with self._lock:
            self._queue.add((future, partial(fn, *args, **kwargs)), owner, network)
            self._begin_next()
        return future

    def _begin_next(self) -> None:
        while (turn := self._queue.begin()) is not None:
            self._pool.submit(self._run, turn)

    def _run(self, turn: Turn[_Work]) -> None:
        future, work = turn.what
        if not future.set_running_or_notify_cancel():
            self._end(turn, None)
            return
        began = monotonic()
        try:
            result = work()
        except BaseException as error:
            self._end(turn, monotonic() - began)
            future.set_exception(error)
        else:
            self._end(turn, monotonic() - began)
            future.set_result(result)

    def _end(self, turn: Turn[_Work], seconds: float | None) -> None:
        with self._lock:
            self._queue.end(turn, seconds)
            self._begin_next()


class _Pools:
    def __init__(self) -> None:
        self.ordinary: Executor = ThreadPoolExecutor(THREADS, thread_name_prefix="mongo")
        self.asked: Executor = FairExecutor(self.ordinary, ASKED_OF_ONE, ASKED_AT_ONCE, ASKED_OF_NETWORK)
        bulk = ThreadPoolExecutor(BULK_THREADS, thread_name_prefix="mongo-bulk")
        self.bulk: Executor = FairExecutor(bulk, BULK_OF_ONE, BULK_THREADS, BULK_OF_NETWORK)


_pools = _Pools()


def _after_fork() -> None:
    """Threads do not survive it."""
    global _pools
    _pools = _Pools()


os.register_at_fork(after_in_child=_after_fork)


def run_on_executor(
    loop: asyncio.AbstractEventLoop, fn: Callable[..., T], *args: Any, **kwargs: Any
) -> asyncio.Future[T]:
    """Stands in for motor's own."""
    budget = command_budget.current()
    context = copy_context()
    if budget is None:
        return loop.run_in_executor(_pools.ordinary, partial(context.run, fn, *args, **kwargs))
    return loop.run_in_executor(_pool_of(budget), partial(context.run, _bounded, budget, fn, args, kwargs))


def _pool_of(budget: Budget) -> Executor:
    if budget.bulk:
        return _pools.bulk
    return _pools.asked if budget.owner and not _begun.get() else _pools.ordinary


@contextmanager
def begun() -> Iterator[None]:
    """What is awaited here, a transaction, holds what others wait for: its operations take any thread.

    Behind its own account's, which may wait for what it has written, it would not end.
    """
    token = _begun.set(True)
    try:
        yield
    finally:
        _begun.reset(token)


def _asker(budget: Budget | None) -> tuple[str, str]:
    """Owner and network; none for the server's own work."""
    if budget is None:
        return "", ""
    return budget.owner, budget.network or budget.owner


def _bounded(budget: Budget, fn: Callable[..., T], args: tuple[Any, ...], kwargs: dict[str, Any]) -> T:
    """The driver then bounds the choice of a server, the wait for a connection, the server's work and the answer."""
    with pymongo.timeout(max(budget.remaining(), _LEAST_SECONDS)):
        return fn(*args, **kwargs)


def install() -> None:
    """Every operation of motor in this process goes through here; setup.cfg caps the version."""
    motor_framework.run_on_executor = run_on_executor
