"""What several want at once is done once, whoever leaves."""

from __future__ import annotations

import asyncio

import pytest

from store.concurrency import SingleFlight, cancelled


class Work:
    def __init__(self) -> None:
        self.begun = 0
        self.go = asyncio.Event()

    async def __call__(self) -> int:
        self.begun += 1
        number = self.begun
        await self.go.wait()
        if number == 2:
            raise ArithmeticError
        return number


async def test_those_who_come_meanwhile_share_it() -> None:
    flight, work = SingleFlight(), Work()
    first, second = (asyncio.ensure_future(flight.do("a", work)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    third = asyncio.ensure_future(flight.do("a", work))
    await asyncio.sleep(0)
    work.go.set()
    assert [await second, await third] == [1, 1]
    assert first.cancelled()
    # Whoever comes later begins anew, and a failure is everybody's.
    failing = [asyncio.ensure_future(flight.do("a", work)) for _ in range(2)]
    for one in failing:
        with pytest.raises(ArithmeticError):
            await one
    assert await flight.do("b", work) == 3
    assert work.begun == 3


async def test_one_that_has_ended_is_not_joined() -> None:
    """For one turn of the loop it is still known, and whoever tried in a loop would never let that turn end."""
    flight, begun = SingleFlight(), 0

    async def work() -> None:
        nonlocal begun
        begun += 1
        if begun == 1:
            asyncio.get_running_loop().call_soon(flight.begin, "a", work)

    await flight.do("a", work)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert begun == 2
    assert flight._flying == {}


async def test_a_failure_that_nobody_waits_for_is_nobodys() -> None:
    flight, work = SingleFlight(), Work()
    work.begun = 1
    alone = asyncio.ensure_future(flight.do("a", work))
    await asyncio.sleep(0)
    alone.cancel()
    work.go.set()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert flight._flying == {}


async def test_a_task_that_drops_a_cancellation_is_cancelled_again() -> None:
    """As ``asyncio.wait_for`` does when its work is done in the same moment."""
    dropped = 0

    async def stubborn() -> None:
        nonlocal dropped
        while True:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                dropped += 1
                if dropped == 3:
                    raise

    task = asyncio.ensure_future(stubborn())
    await asyncio.sleep(0)
    await cancelled([task, None])
    assert task.done()
    assert dropped == 3
