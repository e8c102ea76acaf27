"""Tasks that nobody awaits: held until they are done, begun in the context that is wanted."""

from __future__ import annotations

import asyncio

from store.command_budget import Budget, current, no_budget, within
from store.concurrency import Tasks


async def test_a_task_is_begun_in_the_context_that_is_given() -> None:
    tasks, seen = Tasks(), list[Budget | None]()

    async def look() -> None:
        seen.append(current())

    with within(Budget()):
        mine = current()
        tasks.spawn(look())
        tasks.spawn(look(), no_budget())
        await tasks.wait()
    assert mine is not None
    assert seen == [mine, None]


async def test_what_is_at_work_already_is_held_as_well_and_stopped() -> None:
    tasks, begun = Tasks(), list[int]()
    never = asyncio.Event()

    async def work(number: int) -> None:
        begun.append(number)
        await never.wait()

    held = asyncio.get_running_loop().create_task(work(1))
    tasks.hold(held)
    tasks.spawn(work(2))
    await asyncio.sleep(0)
    assert (len(tasks), begun) == (2, [1, 2])
    await tasks.stop()
    tasks.spawn(work(3))
    await asyncio.sleep(0)
    assert (len(tasks), begun, held.cancelled()) == (0, [1, 2], True)
