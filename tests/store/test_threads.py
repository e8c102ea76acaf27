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

SLOW_READS = 3 * threads.BULK_THREADS
_SECONDS = 0.4


async def slow_read(database: Database, owner: str, *, bulk: bool = True) -> None:
    """As a search through much: the server works on it for a while."""
    with within(Budget(owner, bulk=bulk)):
        await database.collection("slow").find_one({"$where": f"sleep({_SECONDS * 1000}) || true"})


async def some_document(database: Database) -> None:
    await database.collection("slow").insert_one({"_id": ObjectId()})


async def test_appends_and_look_ups_do_not_wait_for_bulky_reads(shared_database: Database, log: Log) -> None:
    await some_document(shared_database)
    reads = [asyncio.create_task(slow_read(shared_database, str(number))) for number in range(SLOW_READS)]
    await asyncio.sleep(0)
    sender = new_id()
    for number in range(10):
        await send(log, a_message(new_id(), sender, str(number)))
        await shared_database.collection("users").find_one({"_id": ObjectId()})
    # The last of them have not even begun.
    assert not any(read.done() for read in reads[-threads.BULK_THREADS :])
    await asyncio.gather(*reads)


async def test_one_users_bulky_reads_wait_for_each_other_and_not_before_anothers(shared_database: Database) -> None:
    await some_document(shared_database)
    greedy = [asyncio.create_task(slow_read(shared_database, "greedy")) for _ in range(SLOW_READS)]
    await asyncio.sleep(0)
    await slow_read(shared_database, "quiet")
    assert not all(read.done() for read in greedy)
    assert sum(read.done() for read in greedy) <= 2 * threads.BULK_THREADS
    await asyncio.gather(*greedy)


@pytest.mark.parametrize("beside", ["there", "here"])
async def test_one_users_bulky_reads_leave_a_thread_to_the_others(beside: str) -> None:
    pools, held = threads._Pools(), threading.Event()

    def submit(owner: str, network: str, work: Callable[[], bool]) -> Future[bool]:
        with within(Budget(owner, network, bulk=True)):
            return pools.bulk.submit(work)

    greedy = [submit("greedy", "there", held.wait) for _ in range(SLOW_READS)]
    try:
        assert submit("quiet", beside, lambda: True).result(timeout=TIMEOUT_SECONDS)
        assert not any(one.done() for one in greedy)
    finally:
        held.set()
        assert all(one.result() for one in greedy)


@asynccontextmanager
async def held_up(database: Database, asking: Iterable[tuple[str, str]]) -> AsyncIterator[None]:
    """Meanwhile these, an owner and a network each, have operations under way that do not end: what they write is
    held by a transaction."""
    key = {"_id": ObjectId()}
    rows = database.collection("slow")
    await rows.insert_one({**key, "written": 0})

    async def write(owner: str, network: str) -> None:
        with within(Budget(owner, network)):
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


async def read(database: Database, owner: str, network: str) -> None:
    with within(Budget(owner, network)):
        await database.collection("users").find_one({"_id": ObjectId()})


async def test_an_account_leaves_threads_to_the_others_of_its_network(shared_database: Database) -> None:
    async with held_up(shared_database, [("greedy", "there")] * (threads.THREADS + 8)):
        await read(shared_database, "quiet", "there")


async def test_a_network_leaves_threads_to_other_networks(shared_database: Database) -> None:
    async with held_up(shared_database, [(f"greedy {number % 10}", "there") for number in range(threads.THREADS + 8)]):
        await read(shared_database, "quiet", "here")


async def test_all_leave_threads_to_the_log_and_to_transactions(shared_database: Database, log: Log) -> None:
    async def write(session: ClientSession) -> None:
        await shared_database.collection("slow").insert_one({"_id": ObjectId()}, session=session)

    each = [(f"greedy {number % 10}", f"network {number % 10}") for number in range(threads.THREADS + 8)]
    async with held_up(shared_database, each):
        await send(log, a_message(new_id(), new_id(), "meanwhile"))
        with within(Budget("greedy 0", "network 0")):
            await shared_database.transaction(write)


def test_the_driver_takes_its_threads_from_us() -> None:
    """What is relied on of motor: each of its classes asks this module for a thread when it needs one."""
    assert motor_framework.run_on_executor is threads.run_on_executor
    assert list(inspect.signature(threads.run_on_executor).parameters)[:2] == ["loop", "fn"]
