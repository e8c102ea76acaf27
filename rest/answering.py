"""The outer edge of a request: an answer within its budget, whatever hangs."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from domain.errors import DomainError, unavailable
from store import command_budget
from store.command_budget import Budget
from store.concurrency import Tasks

log = structlog.get_logger(__name__)

T = TypeVar("T")

# A budget may be prolonged while the client's body arrives.
_LOOK_AGAIN_SECONDS = 1.0
_left = Tasks()


async def answered_in_time(budget: Budget, answer: Callable[[Budget], Awaitable[T]]) -> T:
    """What ``answer`` comes to; ``unavailable`` when the budget has run out before.

    It is not cancelled then, for it may be half done: what it waits for ends soon after.
    """

    async def work() -> T:
        command_budget.begin(budget)
        try:
            return await answer(budget)
        finally:
            budget.over = True

    task = asyncio.get_running_loop().create_task(work())
    try:
        while not task.done():
            left = budget.remaining()
            if left <= 0:
                _leave(task)
                raise unavailable()
            await asyncio.wait([task], timeout=_LOOK_AGAIN_SECONDS if left == math.inf else left)
    except asyncio.CancelledError:
        task.cancel()
        _leave(task)
        raise
    return task.result()


def _leave(task: asyncio.Task[T]) -> None:
    _left.hold(task)
    task.add_done_callback(_log_error)


def _log_error(task: asyncio.Task[T]) -> None:
    error = None if task.cancelled() else task.exception()
    if error is not None and not isinstance(error, DomainError):
        log.error("request failed after its answer", error=type(error).__name__)
