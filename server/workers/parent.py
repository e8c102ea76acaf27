"""The parent of the workers. It imports little, holds what outlives a worker, and serves nobody itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Final

import structlog

from server.workers.mailbox import make_pair
from server.workers.orders import Orders
from server.workers.supervision import GivenUp, Supervision

log = structlog.get_logger("workers")

DRAIN_SECONDS: Final = 10.0


async def supervise(
    count: int, port: int, mongo_url: str, redis_url: str, stop: asyncio.Event, announce: Callable[[str], None]
) -> int:
    """Run ``count`` workers on a reserved port until ``stop``; ``announce`` is told the URL once all of them serve.

    Answers the exit code. Raises ``GivenUp``.
    """
    with ExitStack() as stack:
        pairs = [make_pair() for _ in range(count)]
        for end in (end for pair in pairs for end in pair):
            stack.enter_context(end)
        outboxes = tuple(outbox.fileno() for _, outbox in pairs)
        missing = set(range(count))
        supervisions = [
            Supervision(
                Orders(index, port, mongo_url, redis_url, inbox.fileno(), outboxes),
                lambda url, index=index: _one_serves(missing, index, url, announce),  # type: ignore[misc]
            )
            for index, (inbox, _) in enumerate(pairs)
        ]
        return await _until_stopped(supervisions, stop)


def _one_serves(missing: set[int], index: int, url: str, announce: Callable[[str], None]) -> None:
    last = missing == {index}
    missing.discard(index)
    if last:
        announce(url)


async def _until_stopped(supervisions: Sequence[Supervision], stop: asyncio.Event) -> int:
    tasks = [asyncio.ensure_future(supervision.run()) for supervision in supervisions]
    stopped = asyncio.ensure_future(stop.wait())
    await asyncio.wait([stopped, *tasks], return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    for supervision in supervisions:
        supervision.stop()
    outcomes = await _ended(supervisions, tasks)
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome
    return max(outcome for outcome in outcomes if isinstance(outcome, int))


async def _ended(
    supervisions: Sequence[Supervision], tasks: Sequence[asyncio.Future[int]]
) -> list[int | BaseException]:
    _, late = await asyncio.wait(tasks, timeout=DRAIN_SECONDS)
    if late:
        log.error("workers did not end in time and are killed", workers=len(late))
        for supervision in supervisions:
            supervision.kill()
    return await asyncio.gather(*tasks, return_exceptions=True)


__all__ = ["GivenUp", "supervise"]
