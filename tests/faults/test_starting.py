"""A node that is started while MongoDB does not answer, and one whose settings are wrong."""

from __future__ import annotations

import asyncio
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest
from pymongo import AsyncMongoClient

from server.app import utc_now
from server.security.tokens import AccessTokens
from store.database import Database
from store.store import Store
from tests.faults.lone_mongod import lone_mongod
from tests.faults.proxy import Proxy, mongo_through
from tests.faults.served import Served, run, serving
from tests.faults.tap import tapped
from tests.harness.devices import device
from tests.harness.nodes import SECRET
from tests.harness.people import People
from tests.server.sockets.raw import raw_socket

TIMEOUT_SECONDS = 45.0


async def get(http: aiohttp.ClientSession, url: str) -> tuple[int, dict[str, object]]:
    async with http.get(url) as response:
        return response.status, await response.json()


async def ready(http: aiohttp.ClientSession, served: Served) -> None:
    """Each of several workers, of which any may answer."""
    async with asyncio.timeout(TIMEOUT_SECONDS):
        in_a_row = 0
        while in_a_row < 20:
            in_a_row = in_a_row + 1 if (await get(http, f"{served.url}/readyz"))[0] == 200 else 0


@pytest.mark.parametrize(
    ("fault", "workers"),
    [
        ("refused", "1"),
        ("blackholed", "2"),
        pytest.param("blackholed", "1", marks=pytest.mark.verify),
        pytest.param("refused", "2", marks=pytest.mark.verify),
    ],
)
async def test_it_listens_and_serves_when_mongodb_comes(
    database_url: str, redis_url: str, mongo_proxy: Proxy, tmp_path: Path, fault: str, workers: str
) -> None:
    if fault == "refused":
        mongo_proxy.refuse()
    else:
        mongo_proxy.blackhole()
    url = mongo_through(mongo_proxy, database_url)
    async with (
        serving(tmp_path, MONGO_URL=url, REDIS_URL=redis_url, WORKERS=workers) as served,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as http,
    ):
        assert await get(http, f"{served.url}/healthz") == (200, {"status": "ok"})
        status, body = await get(http, f"{served.url}/readyz")
        assert (status, body["status"], body["mongo"]) == (503, "unavailable", "down")
        for path in ("/v1/me", "/v1/categories", "/v1/trainers"):
            status, body = await get(http, served.url + path)
            assert (status, body["code"]) == (503, "unavailable")
        async with raw_socket(served.url) as raw:
            refusal = await raw.connect("any")
            assert refusal["data"]["code"] == "unavailable"
        await mongo_proxy.pass_through()
        await ready(http, served)
        database = Database(database_url)
        try:
            people = People(Store(database), AccessTokens(SECRET), utc_now)
            client, _, conversation = await people.pair()
            async with device(served.url, client) as phone:
                assert (await phone.send(conversation, "m"))["seq"] == 1
        finally:
            database.close()
        assert (await served.terminate())[0] == 0


@pytest.mark.parametrize("workers", ["1", pytest.param("2", marks=pytest.mark.verify)])
async def test_a_mongodb_that_leaves_again_during_the_start_is_waited_for(
    database_url: str, redis_url: str, mongo_proxy: Proxy, tmp_path: Path, workers: str
) -> None:
    """Its indexes are made, and the last of its first reads and writes are still to come."""
    begins = ("update", "stripeEventGaps")
    async with tapped("127.0.0.1", mongo_proxy.port, frozenset({begins[1]})) as tap:
        tap.arm(begins, mongo_proxy.refuse)
        url = mongo_through(mongo_proxy, database_url).replace(str(mongo_proxy.port), str(tap.port))
        async with (
            serving(tmp_path, MONGO_URL=url, REDIS_URL=redis_url, WORKERS=workers) as served,
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as http,
        ):
            assert begins in tap.seen
            assert (await get(http, f"{served.url}/readyz"))[0] == 503
            await mongo_proxy.pass_through()
            await ready(http, served)


async def test_it_ends_while_it_waits(mongo_proxy: Proxy, database_url: str, redis_url: str, tmp_path: Path) -> None:
    mongo_proxy.blackhole()
    url = mongo_through(mongo_proxy, database_url)
    async with serving(tmp_path, MONGO_URL=url, REDIS_URL=redis_url) as served:
        assert (await served.terminate())[0] == 0


def _wrong(database_url: str) -> dict[str, str]:
    place = urlsplit(database_url)
    return {
        "credentials": f"mongodb://user:hidden-word@{place.netloc}{place.path}?replicaSet=spotter&authSource=admin",
        "set": f"mongodb://{place.netloc}{place.path}?replicaSet=hidden-word",
        "port": f"mongodb://127.0.0.1:hidden-word{place.path}?replicaSet=spotter",
        # Found to be none by the first operation.
        "name": f"mongodb+srv://user:hidden-word@{'x' * 64}.example.com{place.path}",
    }


@pytest.mark.parametrize(
    ("wrong", "workers"),
    [
        *(("credentials", "1"), ("set", "1"), ("port", "1"), ("name", "1"), ("credentials", "2")),
        # tests/together/test_workers_faults.py has another set.
        *(pytest.param(wrong, "2", marks=pytest.mark.verify) for wrong in ("set", "port")),
    ],
)
async def test_what_will_never_do_ends_it(
    database_url: str, redis_url: str, tmp_path: Path, wrong: str, workers: str
) -> None:
    url = _wrong(database_url)[wrong]
    code, out, err = await run(tmp_path, MONGO_URL=url, REDIS_URL=redis_url, WORKERS=workers)
    assert (code, out) == (1, ""), err
    assert "MONGO_URL" in err
    assert "Traceback" not in err and "hidden-word" not in err


@pytest.mark.parametrize("workers", ["1", "2"])
async def test_credentials_that_are_refused_later_end_it(
    database_url: str, redis_url: str, mongo_proxy: Proxy, tmp_path: Path, workers: str
) -> None:
    mongo_proxy.refuse()
    url = mongo_through(mongo_proxy, database_url, authSource="admin").replace("://", "://user:hidden-word@")
    async with serving(tmp_path, MONGO_URL=url, REDIS_URL=redis_url, WORKERS=workers) as served:
        await mongo_proxy.pass_through()
        async with asyncio.timeout(TIMEOUT_SECONDS):
            assert await served.process.wait() == 1
        await asyncio.sleep(0)
    assert "Traceback" not in served.logged and "hidden-word" not in served.logged


@pytest.mark.parametrize(
    ("asked", "workers"),
    [("", "1"), ("?directConnection=true", "1"), pytest.param("", "2", marks=pytest.mark.verify)],
)
async def test_a_mongodb_without_transactions_ends_it(
    redis_url: str, tmp_path: Path, asked: str, workers: str
) -> None:
    """It answers, keeps what it is given, and would fail whatever takes a transaction."""
    async with lone_mongod(tmp_path) as mongo:
        url = f"{mongo}/hidden-word{asked}"
        code, out, err = await run(tmp_path, MONGO_URL=url, REDIS_URL=redis_url, WORKERS=workers)
    assert (code, out) == (1, ""), err
    assert "neither of a replica set nor of a sharded cluster" in err
    assert "MONGO_URL" in err
    assert "Traceback" not in err and "hidden-word" not in err


@pytest.mark.parametrize("asked", ["", "?directConnection=true"])
async def test_a_replica_set_that_is_not_initiated_yet_is_waited_for(
    redis_url: str, tmp_path: Path, asked: str
) -> None:
    async with (
        lone_mongod(tmp_path, "--replSet", "later") as mongo,
        serving(tmp_path, MONGO_URL=f"{mongo}/spotter{asked}", REDIS_URL=redis_url) as served,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as http,
    ):
        status, body = await get(http, f"{served.url}/readyz")
        assert (status, body["status"]) == (503, "unavailable")
        async with AsyncMongoClient[dict[str, object]](f"{mongo}/?directConnection=true") as client:
            members = [{"_id": 0, "host": urlsplit(mongo).netloc}]
            await client.admin.command("replSetInitiate", {"_id": "later", "version": 1, "members": members})
        await ready(http, served)
