"""Slow reads have threads of their own, and so has whoever asks for little: nobody's operation waits behind them."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import AsyncIterator, Callable, Iterable
from concurrent.futures import Future
from contextlib import asynccontextmanager

import pytest
from bson import ObjectId
from motor.frameworks import asyncio as motor_framework

from store import threads
from store.command_budget import Budget, within
from store.database import ClientSession, Database
from store.log.log import Log
from tests.harness.devices import TIMEOUT_SECONDS
from tests.store.writing import a_message, new_id, send

# More than there are threads of all kinds together.
MUCH = threads.THREADS + threads.BULK_THREADS + 4


@asynccontextmanager
async def held_up(database: Database, asking: Iterable[tuple[str, str]], *, bulk: bool = False) -> AsyncIterator[None]:
    """Meanwhile these, an owner and a network each, have operations under way that do not end: what they write is
    held by a transaction."""
    key = {"_id": ObjectId()}
    rows = database.collection("slow")
    await rows.insert_one({**key, "written": 0})

    async def write(owner: str, network: str) -> None:
        with within(Budget(owner, network, bulk=bulk)):
            await rows.update_one(key, {"$inc": {"written": 1}})

    async with await database.client.start_session() as session:
        session.start_transaction()
        await rows.update_one(key, {"$inc": {"written": 1}}, session=session)
        writing = [asyncio.create_task(write(owner, network)) for owner, network in asking]
        await asyncio.sleep(0)
        yield
        assert not any(one.done() for one in writing)
        await session.abort_transaction()
        await asyncio.gather(*writing)
    row = await rows.find_one(key)
    assert row is not None and row["written"] == len(writing)


async def read(database: Database, owner: str, network: str, *, bulk: bool = False) -> None:
    with within(Budget(owner, network, bulk=bulk)):
        await database.collection("users").find_one({"_id": ObjectId()})


async def test_appends_and_look_ups_do_not_wait_for_bulky_work(shared_database: Database, log: Log) -> None:
    sender = new_id()
    async with held_up(shared_database, [(f"{number}", f"{number}") for number in range(MUCH)], bulk=True):
        for number in range(10):
            await send(log, a_message(new_id(), sender, str(number)))
            await shared_database.collection("users").find_one({"_id": ObjectId()})


async def test_one_users_bulky_work_leaves_room_for_anothers(shared_database: Database) -> None:
    async with held_up(shared_database, [("greedy", "there")] * MUCH, bulk=True):
        await read(shared_database, "quiet", "there", bulk=True)


@pytest.mark.parametrize("beside", ["there", "here"])
async def test_one_users_bulky_reads_leave_a_thread_to_the_others(beside: str) -> None:
    pools, held = threads._Pools(), threading.Event()

    def submit(owner: str, network: str, work: Callable[[], bool]) -> Future[bool]:
        with within(Budget(owner, network, bulk=True)):
            return pools.bulk.submit(work)

    greedy = [submit("greedy", "there", held.wait) for _ in range(MUCH)]
    try:
        assert submit("quiet", beside, lambda: True).result(timeout=TIMEOUT_SECONDS)
        assert not any(one.done() for one in greedy)
    finally:
        held.set()
        assert all(one.result() for one in greedy)


async def test_an_account_leaves_threads_to_the_others_of_its_network(shared_database: Database) -> None:
    async with held_up(shared_database, [("greedy", "there")] * MUCH):
        await read(shared_database, "quiet", "there")


async def test_a_network_leaves_threads_to_other_networks(shared_database: Database) -> None:
    async with held_up(shared_database, [(f"greedy {number % 10}", "there") for number in range(MUCH)]):
        await read(shared_database, "quiet", "here")


async def test_all_leave_threads_to_the_log_and_to_transactions(shared_database: Database, log: Log) -> None:
    async def write(session: ClientSession) -> None:
        await shared_database.collection("slow").insert_one({"_id": ObjectId()}, session=session)

    each = [(f"greedy {number % 10}", f"network {number % 10}") for number in range(MUCH)]
    async with held_up(shared_database, each):
        await send(log, a_message(new_id(), new_id(), "meanwhile"))
        with within(Budget("greedy 0", "network 0")):
            await shared_database.transaction(write)


def test_the_driver_takes_its_threads_from_us() -> None:
    """What is relied on of motor: each of its classes asks this module for a thread when it needs one."""
    assert motor_framework.run_on_executor is threads.run_on_executor
    assert list(inspect.signature(threads.run_on_executor).parameters)[:2] == ["loop", "fn"]
