"""Transactions take turns: network by network, whatever number of accounts a network has."""

from __future__ import annotations

import asyncio

import pytest

from store.command_budget import Budget, within
from store.database import SHARED, TRANSACTIONS_AT_ONCE, ClientSession, Database, Hot
from tests.harness.waiting import until


@pytest.mark.parametrize("hot", [[(SHARED, "hot")], []], ids=["of a hot document", "of all"])
async def test_one_of_a_quiet_network_waits_for_no_crowd(shared_database: Database, hot: list[Hot]) -> None:
    begun, let_go = list[str](), asyncio.Semaphore(0)

    async def write(owner: str, network: str) -> None:
        async def body(session: ClientSession) -> None:
            begun.append(owner)
            await let_go.acquire()

        with within(Budget(owner, network)):
            await shared_database.transaction(body, hot=hot)

    crowd = [asyncio.create_task(write(f"one of {n}", "192.0.2.1")) for n in range(2 * TRANSACTIONS_AT_ONCE)]
    at_once = 1 if hot else 12
    await until(lambda: len(begun) == at_once)
    quiet = asyncio.create_task(write("quiet", "198.51.100.1"))
    if hot:
        let_go.release()
    await until(lambda: len(begun) > at_once)
    assert begun[-1] == "quiet"
    for _ in range(len(crowd) + 1):
        let_go.release()
    await asyncio.gather(*crowd, quiet)
