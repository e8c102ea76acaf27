"""The threads in which the driver works, and the time that each of its operations may take.

motor hands every operation to one pool of ``cpu_count() * 5`` threads, whatever the size of the connection pool: a few
slow reads then go before every append, sign-in and revocation. Here bulky reads have a few threads of their own.
"""

from __future__ import annotations

import asyncio
import os
from collections import OrderedDict, deque
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from threading import Lock
from typing import Any, TypeVar

import pymongo
from motor.frameworks import asyncio as motor_framework

from store import command_budget
from store.command_budget import Budget

T = TypeVar("T")

# Waiting for MongoDB costs a thread and little else. The change stream keeps one.
THREADS = 32
# Reads that can be slow: as many at once as leave MongoDB and this process to the rest.
BULK_THREADS = 4
# Of a budget that has run out: the driver raises before it sends anything.
_LEAST_SECONDS = 1e-6


class FairExecutor(Executor):
    """Threads that take work of one owner after the other: whoever asks for much waits for himself."""

    def __init__(self, threads: int) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="mongo-bulk")
        self._lock = Lock()
        self._waiting: OrderedDict[str, deque[tuple[Future[Any], Callable[[], Any]]]] = OrderedDict()

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """On behalf of the owner of the current budget."""
        budget = command_budget.current()
        future: Future[T] = Future()
        with self._lock:
            queue = self._waiting.setdefault("" if budget is None else budget.owner, deque())
            queue.append((future, partial(fn, *args, **kwargs)))
        self._pool.submit(self._run_next)
        return future

    def _run_next(self) -> None:
        with self._lock:
            owner, queue = self._waiting.popitem(last=False)
            future, work = queue.popleft()
            if queue:
                self._waiting[owner] = queue
        if not future.set_running_or_notify_cancel():
            return
        try:
            result = work()
        except BaseException as error:
            future.set_exception(error)
        else:
            future.set_result(result)


class _Pools:
    def __init__(self) -> None:
        self.ordinary: Executor = ThreadPoolExecutor(THREADS, thread_name_prefix="mongo")
        self.bulk: Executor = FairExecutor(BULK_THREADS)


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
    pool = _pools.bulk if budget.bulk else _pools.ordinary
    return loop.run_in_executor(pool, partial(context.run, _bounded, budget, fn, args, kwargs))


def _bounded(budget: Budget, fn: Callable[..., T], args: tuple[Any, ...], kwargs: dict[str, Any]) -> T:
    """The driver then bounds the choice of a server, the wait for a connection, the server's work and the answer."""
    with pymongo.timeout(max(budget.remaining(), _LEAST_SECONDS)):
        return fn(*args, **kwargs)


def install() -> None:
    """Every operation of motor in this process goes through here; setup.cfg caps the version."""
    motor_framework.run_on_executor = run_on_executor
