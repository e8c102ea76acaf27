"""Somebody who asks for as much as they can, and how long others wait beside them."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from time import monotonic
from typing import Any

import aiohttp

from store.concurrency import cancelled

# The 2 s, three times: the machine of the tests may be busy.
WITHIN_SECONDS = 6.0

Ask = Callable[[aiohttp.ClientSession, int], Awaitable[int]]


class Flood:
    def __init__(self) -> None:
        self.answers: Counter[int] = Counter()


@asynccontextmanager
async def flood(ask: Ask, at_once: int, *, answered: int) -> AsyncIterator[Flood]:
    """``at_once`` requests under way all the time; ``ask`` answers a status. Begins when ``answered`` are answered."""
    made, begun, failure = Flood(), asyncio.Event(), list[BaseException]()
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:

        async def go_on(number: int) -> None:
            try:
                while True:
                    made.answers[await ask(http, number)] += 1
                    number += at_once
                    if made.answers.total() >= answered:
                        begun.set()
            except Exception as error:
                failure.append(error)
                begun.set()

        tasks = [asyncio.create_task(go_on(number)) for number in range(at_once)]
        try:
            await begun.wait()
            yield made
        finally:
            await cancelled(tasks)
    assert failure == []


async def timed(work: Awaitable[Any]) -> Any:
    """What it comes to, in time."""
    began = monotonic()
    result = await work
    took = monotonic() - began
    assert took < WITHIN_SECONDS, f"waited {took:.1f} s"
    return result
