"""One node for the whole folder: each test brings people of its own, and finds no file of another's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import pytest

from server.app import utc_now
from server.files.image_processes import PictureMaker, PictureWorker
from store.database import Database
from tests.files.service import NOTHING, FileService
from tests.harness.databases import named, prepared_database
from tests.harness.nodes import RunningNode, running_node
from tests.harness.people import People


@pytest.fixture(scope="package")
async def shared_database(mongo_url: str) -> AsyncIterator[Database]:
    async with prepared_database(mongo_url) as database:
        yield database


@pytest.fixture(scope="package")
def shared_url(mongo_url: str, shared_database: Database) -> str:
    return named(mongo_url, shared_database.db.name)


@pytest.fixture(scope="package")
async def shared_node(
    shared_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[RunningNode]:
    async with running_node(shared_url, redis_url, tmp_path_factory.mktemp("node")) as running:
        # Tests count what a sweep of theirs takes: the node's own takes nothing before it.
        await running.node.durable_work.stop(10)
        yield running


@pytest.fixture
async def shelf(shared_node: RunningNode) -> AsyncIterator[FileService]:
    node = shared_node.node
    async with aiohttp.ClientSession() as http:
        yield FileService(shared_node, People(node.store, node.tokens, utc_now), http)
    async with asyncio.timeout(30):
        # What broke off has been given up.
        while node.context.spooling.taken:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    for name in NOTHING:
        await node.database.collection(name).delete_many({})


@pytest.fixture
async def shelf_alone(running: RunningNode, people: People) -> AsyncIterator[FileService]:
    """At a node of the test's own."""
    async with aiohttp.ClientSession() as http:
        yield FileService(running, people, http)


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The sizes of what any decoder was given since."""
    sizes: list[int] = []
    make = PictureWorker.make

    async def counted(self: PictureWorker, size: int, *content: object) -> object:
        sizes.append(size)
        return await make(self, size, *content)  # type: ignore[arg-type]

    monkeypatch.setattr(PictureWorker, "make", counted)
    return sizes


@pytest.fixture(scope="package")
async def shared_maker() -> AsyncIterator[PictureMaker]:
    made = PictureMaker(1, scale=1000)
    yield made
    await made.stop()


@pytest.fixture
def maker(shared_maker: PictureMaker) -> PictureMaker:
    """Its process has decoded what other tests gave it."""
    return shared_maker


@pytest.fixture
async def lone_maker() -> AsyncIterator[PictureMaker]:
    """Its process has decoded nothing before."""
    made = PictureMaker(1)
    yield made
    await made.stop()
