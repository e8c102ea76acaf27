"""A command's budget bounds what it waits for, and nothing that it left behind."""

from __future__ import annotations

import asyncio
import math

import pytest

from domain.errors import Code, DomainError
from store.command_budget import Budget, begin, current, limited, remaining, within
from store.concurrency import detached
from store.database import Database
from store.log.log import Log
from store.users import Users
from tests.store.writing import a_message, new_id, send


async def test_an_operation_does_not_outlast_it(shared_database: Database) -> None:
    with within(Budget(seconds=0.0)), pytest.raises(DomainError) as refused:
        await Users(shared_database).by_id(new_id())
    assert refused.value.code == Code.UNAVAILABLE
    assert await Users(shared_database).by_id(new_id()) is None


async def test_an_append_without_time_is_refused_and_not_stored(shared_database: Database, log: Log) -> None:
    conversation, sender = new_id(), new_id()
    with within(Budget(seconds=0.0)), pytest.raises(DomainError) as refused:
        await send(log, a_message(conversation, sender, "1"))
    assert refused.value.code == Code.UNAVAILABLE
    assert (await send(log, a_message(conversation, sender, "2"))).record.seq == 1


async def test_what_a_command_left_behind_is_not_bound_by_it() -> None:
    budget = Budget(seconds=0.0)
    seen: list[float] = []

    async def command() -> asyncio.Task[None]:
        begin(budget)
        gone = asyncio.Event()

        async def left_behind() -> None:
            seen.append(remaining())
            await gone.wait()
            seen.append(remaining())

        task = asyncio.ensure_future(left_behind())
        await asyncio.sleep(0)
        budget.over = True
        gone.set()
        return task

    await (await asyncio.ensure_future(command()))
    assert seen[0] <= 0
    assert seen[1] == math.inf


async def test_work_for_many_has_time_of_its_own() -> None:
    async def shared() -> tuple[float, Budget | None]:
        return remaining(), current()

    with within(Budget(seconds=0.0)):
        assert await detached(shared()) == (math.inf, None)
        assert (await detached(shared(), 5.0))[0] > 0


async def test_a_limit_within_never_prolongs() -> None:
    with within(Budget("somebody", bulk=True, seconds=0.0)), limited(3.0):
        inner = current()
        assert inner is not None
        assert (inner.owner, inner.bulk) == ("somebody", True)
        assert remaining() <= 0
