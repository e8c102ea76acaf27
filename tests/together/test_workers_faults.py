"""Workers that die, a parent that dies, and an orderly end."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress
from functools import partial
from pathlib import Path

import pytest

from server.embedded.process import is_free
from tests.harness.devices import Device, device
from tests.harness.freezing import freeze
from tests.harness.waiting import eventually
from tests.together.processes import prepared
from tests.together.workers_program import Program, is_alive, program, start, worker_of
from tests.together.workers_service import WorkersProgram, workers_program

UPGRADE = ("polling", "websocket")


@pytest.fixture(scope="module")
async def workers_service(mongo_url: str, redis_url: str) -> AsyncIterator[WorkersProgram]:
    async with workers_program(mongo_url, redis_url) as made:
        yield made


@pytest.fixture(scope="module")
async def shared_program(
    workers_service: WorkersProgram, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Program]:
    async with program(tmp_path_factory.mktemp("standing"), 2, **workers_service.environ) as running:
        yield running


@pytest.fixture
async def recovered_program(shared_program: Program) -> Program:
    """Shared by tests after which it has all of its workers again; they end fewer of them than it puts up with."""
    await eventually(lambda: len(shared_program.workers()) == 2)
    await prepared(shared_program.url, 20)
    return shared_program


@pytest.fixture
async def spotter(workers_service: WorkersProgram, tmp_path: Path) -> AsyncIterator[Program]:
    async with program(tmp_path, 2, **workers_service.environ) as running:
        yield running


async def _on_each_worker(
    stack: AsyncExitStack, workers_service: WorkersProgram, url: str
) -> dict[int, list[tuple[Device, str]]]:
    """At least two devices a worker, half of them polling, with a conversation each."""
    found: dict[int, list[tuple[Device, str]]] = {0: [], 1: []}
    while min(map(len, found.values())) < 2:
        client, _, conversation = await workers_service.people.pair()
        over = ("polling",) if sum(map(len, found.values())) % 2 else UPGRADE
        phone = await stack.enter_async_context(device(url, client, transports=over))
        found[worker_of(phone)].append((phone, conversation))
    return found


async def test_a_killed_worker_comes_back_and_the_others_do_not_notice(
    recovered_program: Program, workers_service: WorkersProgram
) -> None:
    spotter, ended = recovered_program, recovered_program.said().count("worker ended")
    async with AsyncExitStack() as stack:
        phones = await _on_each_worker(stack, workers_service, spotter.url)
        killed = spotter.workers()[0]
        os.kill(killed, signal.SIGKILL)
        for phone, _ in phones[0]:
            await asyncio.wait_for(phone.disconnected.wait(), 15)
        for phone, conversation in phones[1]:
            assert (await phone.send(conversation, "after"))["text"] == "hello"
            assert not phone.disconnected.is_set()
        await eventually(lambda: spotter.workers().get(0, killed) != killed)
        again = await _on_each_worker(stack, workers_service, spotter.url)
        for phone, conversation in again[0] + again[1]:
            await phone.send(conversation, "anew")
        assert spotter.said().count("worker ended") > ended


async def test_clients_that_reconnect_do_so_while_a_worker_is_away(
    recovered_program: Program, workers_service: WorkersProgram
) -> None:
    spotter = recovered_program
    async with AsyncExitStack() as stack:
        client, _, conversation = await workers_service.people.pair()
        phone = await stack.enter_async_context(device(spotter.url, client, transports=UPGRADE))
        phone.io.reconnection = True
        phone.io.reconnection_delay = 0.1
        os.kill(spotter.workers()[worker_of(phone)], signal.SIGKILL)
        await asyncio.wait_for(phone.disconnected.wait(), 15)
        phone.disconnected.clear()
        await eventually(lambda: "/conversations" in phone.io.namespaces)
        assert (await phone.send(conversation, "back"))["seq"] == 1


async def test_a_worker_told_to_end_drains_and_is_replaced(
    recovered_program: Program, workers_service: WorkersProgram
) -> None:
    spotter = recovered_program
    async with AsyncExitStack() as stack:
        phones = await _on_each_worker(stack, workers_service, spotter.url)
        old = spotter.workers()[1]
        os.kill(old, signal.SIGTERM)
        for phone, _ in phones[1]:
            await asyncio.wait_for(phone.disconnected.wait(), 15)
        await eventually(lambda: spotter.workers().get(1, old) != old)
        for phone, conversation in phones[0]:
            await phone.send(conversation, "still here")
        await _on_each_worker(stack, workers_service, spotter.url)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_the_end(spotter: Program, workers_service: WorkersProgram, number: signal.Signals) -> None:
    async with AsyncExitStack() as stack:
        phones = await _on_each_worker(stack, workers_service, spotter.url)
        workers = spotter.workers()
        assert len(workers) == 2
        assert await spotter.end(number) == 0
        assert not any(map(is_alive, workers.values()))
        for phone, _ in phones[0] + phones[1]:
            await asyncio.wait_for(phone.disconnected.wait(), 15)
    assert is_free(int(spotter.url.rpartition(":")[2]))


async def test_workers_end_with_a_killed_parent(spotter: Program, workers_service: WorkersProgram) -> None:
    async with AsyncExitStack() as stack:
        await _on_each_worker(stack, workers_service, spotter.url)
        workers = spotter.workers()
        os.kill(spotter.pid, signal.SIGKILL)
        await eventually(lambda: not any(map(is_alive, workers.values())))


async def test_a_worker_that_hangs_is_killed_at_the_end(spotter: Program, workers_service: WorkersProgram) -> None:
    workers = spotter.workers()
    freeze(workers[0])
    assert await spotter.end() == 1
    assert not any(map(is_alive, workers.values()))
    assert "killed" in spotter.said()


def _is_another(spotter: Program, known: int | None) -> bool:
    return spotter.workers().get(0) != known or spotter.process.returncode is not None


async def test_a_worker_that_dies_again_and_again_ends_the_program(spotter: Program) -> None:
    survivor = spotter.workers()[1]

    async def kill_on_sight() -> None:
        while spotter.process.returncode is None:
            if (victim := spotter.workers().get(0)) is not None:
                with suppress(ProcessLookupError):
                    os.kill(victim, signal.SIGKILL)
            await eventually(partial(_is_another, spotter, victim))

    killing = asyncio.ensure_future(kill_on_sight())
    try:
        assert await asyncio.wait_for(spotter.process.wait(), 40) == 1
    finally:
        killing.cancel()
    assert "Worker 0 ended 5 times, each within 10 s of its start" in spotter.said()
    assert not is_alive(survivor)


async def _failed_start(folder: Path, **environ: str) -> str:
    """What a program that cannot start says, once it has ended with 1."""
    said = folder / "failed.txt"
    process = await start(said, WORKERS="2", DATA_DIR=str(folder), **environ)
    out, _ = await asyncio.wait_for(process.communicate(), 40)
    assert (process.returncode, out) == (1, b"")
    return said.read_text()


async def test_a_port_in_use(workers_service: WorkersProgram, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = await _failed_start(tmp_path, PORT=str(port), **workers_service.environ)
    assert said.strip() == f"Cannot listen on 127.0.0.1:{port}: Address already in use. Set PORT."


async def test_a_port_in_use_by_another_spotter(
    recovered_program: Program, workers_service: WorkersProgram, tmp_path: Path
) -> None:
    port = recovered_program.url.rpartition(":")[2]
    assert "Address already in use" in await _failed_start(tmp_path, PORT=port, **workers_service.environ)


async def test_a_database_that_can_never_do(workers_service: WorkersProgram, tmp_path: Path) -> None:
    """One that is away is waited for: tests/faults/test_starting.py."""
    url = workers_service.environ["MONGO_URL"].replace("replicaSet=", "replicaSet=no-")
    said = await _failed_start(tmp_path, **{**workers_service.environ, "MONGO_URL": url})
    assert said.count("Look at MONGO_URL") == 1
    assert "Traceback" not in said
