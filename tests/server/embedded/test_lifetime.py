"""The servers live exactly as long as somebody uses them."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

from server import embedded
from server.embedded.programs import EmbeddedPaths
from tests.server.embedded.observed import (
    ProcessEnd,
    Program,
    is_alive,
    mongod_pid,
    parent_of,
    program,
    redis,
    redis_pid,
)


async def test_they_are_stopped_when_the_program_has_ended(tmp_path: Path) -> None:
    async with program(tmp_path, "mongo", "redis") as running:
        servers = [await mongod_pid(running.mongo_url), await redis_pid(running.redis_url)]
    assert [is_alive(pid) for pid in servers] == [False, False]


async def test_a_killed_program_takes_them_with_it(tmp_path: Path) -> None:
    running = await Program.start(tmp_path, "mongo", "redis")
    pids = [await mongod_pid(running.mongo_url), await redis_pid(running.redis_url)]
    ends = [ProcessEnd(pid) for pid in [*pids, parent_of(pids[0])]]

    await running.kill()

    await asyncio.gather(*(end.wait() for end in ends))


async def test_two_programs_share_and_the_last_one_stops_them(tmp_path: Path) -> None:
    async with program(tmp_path, "redis") as second:
        async with program(tmp_path, "redis") as first:
            pid = await redis_pid(first.redis_url)
            assert second.redis_url == first.redis_url
        assert await redis_pid(second.redis_url) == pid
    assert not is_alive(pid)


async def test_a_killed_program_does_no_harm_to_the_other(tmp_path: Path) -> None:
    async with program(tmp_path, "redis") as other:
        pid = await redis_pid(other.redis_url)
        killed = await Program.start(tmp_path, "redis")
        await killed.kill()
        # A third that joins and leaves gives the daemon every occasion to miscount.
        async with program(tmp_path, "redis"):
            pass
        assert await redis_pid(other.redis_url) == pid


async def test_programs_that_start_together_get_the_same_servers(tmp_path: Path) -> None:
    programs = await asyncio.gather(*(Program.start(tmp_path, "redis") for _ in range(4)))
    assert len({running.redis_url for running in programs}) == 1
    await asyncio.gather(*(running.leave() for running in programs))


async def test_a_start_during_the_stop_gets_servers_that_stay(tmp_path: Path) -> None:
    first = await Program.start(tmp_path, "redis")
    pid = await redis_pid(first.redis_url)
    _, second = await asyncio.gather(first.leave(), Program.start(tmp_path, "redis"))
    async with redis(second.redis_url) as client:
        assert await client.ping()
    assert second.redis_url == first.redis_url or not is_alive(pid)
    await second.leave()


async def test_each_folder_has_servers_of_its_own(tmp_path: Path) -> None:
    async with (
        embedded.servers(tmp_path / "one", mongo=False) as one,
        embedded.servers(tmp_path / "two", mongo=False) as two,
    ):
        assert one.mongo_url is None
        assert one.redis_url != two.redis_url


async def test_ctrl_c_in_the_terminal_does_not_reach_them(tmp_path: Path) -> None:
    async with program(tmp_path, "redis") as running:
        pid = await redis_pid(running.redis_url)
        assert os.getsid(pid) != os.getsid(running.process.pid)


async def test_a_term_signal_to_the_daemon_stops_cleanly(tmp_path: Path) -> None:
    running = await Program.start(tmp_path, "redis")
    pid = await redis_pid(running.redis_url)
    await running.kill()
    end = ProcessEnd(pid)
    os.kill(parent_of(pid), signal.SIGTERM)
    await end.wait()


async def test_folders_may_lie_deeper_than_a_socket_address_can_say(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 100) / ("e" * 100)
    async with embedded.servers(deep, mongo=False) as urls:
        assert urls.redis_url
        assert EmbeddedPaths.under(deep).socket.is_socket()
