"""What was acknowledged is there again, whoever was killed."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

from pymongo import WriteConcern
from pymongo.errors import ConnectionFailure

from server import embedded
from tests.server.embedded.observed import (
    Mongo,
    ProcessEnd,
    Program,
    mongo,
    mongod_pid,
    parent_of,
    program,
    redis,
    redis_pid,
)


async def keep(client: Mongo, value: str) -> None:
    notes = client["test"].get_collection("notes", write_concern=WriteConcern("majority", j=True))
    await notes.insert_one({"value": value})


async def kept(client: Mongo) -> list[str]:
    """Patient while the server is on its way back: a read is tried again until one gets through."""
    for _ in range(50):
        try:
            return [note["value"] async for note in client["test"]["notes"].find(sort=[("_id", 1)])]
        except ConnectionFailure:
            continue
    raise AssertionError("the server did not come back")


async def test_data_stay_from_run_to_run_and_transactions_work(tmp_path: Path) -> None:
    async with embedded.servers(tmp_path, redis=False) as urls, mongo(urls.mongo_url or "") as client:
        await keep(client, "first run")
    async with embedded.servers(tmp_path, redis=False) as urls, mongo(urls.mongo_url or "") as client:
        async with client.start_session() as session, await session.start_transaction():
            await client["test"]["notes"].insert_one({"value": "second run"}, session=session)
        assert await kept(client) == ["first run", "second run"]


async def test_a_killed_mongod_comes_back_with_its_data(tmp_path: Path) -> None:
    async with embedded.servers(tmp_path, redis=False) as urls, mongo(urls.mongo_url or "") as client:
        await keep(client, "acknowledged")
        pid = await mongod_pid(urls.mongo_url or "")
        end = ProcessEnd(pid)
        os.kill(pid, signal.SIGKILL)
        await end.wait()

        assert await kept(client) == ["acknowledged"]
        await keep(client, "after")
        assert await mongod_pid(urls.mongo_url or "") != pid


async def test_a_killed_redis_comes_back(tmp_path: Path) -> None:
    async with embedded.servers(tmp_path, mongo=False) as urls:
        pid = await redis_pid(urls.redis_url or "")
        end = ProcessEnd(pid)
        os.kill(pid, signal.SIGKILL)
        await end.wait()
        assert await redis_pid(urls.redis_url or "") != pid


async def test_a_killed_daemon_is_replaced_under_a_running_program(tmp_path: Path) -> None:
    async with program(tmp_path, "redis") as running:
        pid = await redis_pid(running.redis_url)
        end = ProcessEnd(pid)
        os.kill(parent_of(pid), signal.SIGKILL)
        await end.wait()
        async with redis(running.redis_url) as client:
            assert await client.ping()


async def test_a_start_after_everything_was_killed_finds_the_data(tmp_path: Path) -> None:
    killed = await Program.start(tmp_path, "mongo")
    async with mongo(killed.mongo_url) as client:
        await keep(client, "before")
    pid = await mongod_pid(killed.mongo_url)
    end = ProcessEnd(pid)
    await killed.kill()
    os.kill(parent_of(pid), signal.SIGKILL)
    await end.wait()

    # What such an end leaves behind, and a socket that nobody listens on.
    assert (tmp_path / "embedded" / "mongod" / "mongod.lock").read_text(encoding="ascii").strip() == str(pid)
    assert (tmp_path / "embedded" / "keeper.sock").is_socket()
    async with embedded.servers(tmp_path, redis=False) as urls, mongo(urls.mongo_url or "") as client:
        assert await kept(client) == ["before"]


async def test_a_port_that_was_taken_meanwhile_is_given_up(tmp_path: Path) -> None:
    async with embedded.servers(tmp_path, redis=False) as urls, mongo(urls.mongo_url or "") as client:
        await keep(client, "on the old port")
    port = int((tmp_path / "embedded" / "mongod.port").read_text(encoding="ascii"))
    somebody = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", port)
    async with (
        somebody,
        embedded.servers(tmp_path, redis=False) as other,
        mongo(other.mongo_url or "") as client,
    ):
        assert other.mongo_url != urls.mongo_url
        assert await kept(client) == ["on the old port"]
