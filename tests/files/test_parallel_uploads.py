"""Fifty uploads at once: the memory of the server does not grow with them, and all of them arrive whole.

A busy machine refuses some of them for a while, as it may; what was refused leaves nothing and is sent again.
"""

from __future__ import annotations

import asyncio
import math
import random
from pathlib import Path

import aiohttp
from PIL import Image

from store.file_bytes import CHUNK_BYTES
from tests.files import samples
from tests.files.service import FileService
from tests.files.test_pictures import saved
from tests.harness.people import Person
from tests.together.processes import Served, served

PEOPLE, EACH = 10, 5
TRIES = 20
MOST_MEGABYTES = 120


async def test_fifty_uploads_at_once(shelf: FileService, database_url: str, redis_url: str, tmp_path: Path) -> None:
    people = [await shelf.people.make() for _ in range(PEOPLE)]
    noise = Image.frombytes("RGB", (1500, 1000), random.Random(1).randbytes(4_500_000))
    contents = [samples.mp4(0) + samples.box(b"free", bytes(12_000_000)), saved(noise, "JPEG", quality=95)]
    async with served(database_url, redis_url, tmp_path / "other") as server, aiohttp.ClientSession() as http:
        # What a first upload loads is there before.
        for content in contents:
            await put(http, server, people[0], content)
        before = peak_megabytes(server)
        await asyncio.gather(
            *(put(http, server, people[n % PEOPLE], contents[n % 2]) for n in range(PEOPLE * EACH)),
        )
        grown = peak_megabytes(server) - before
    sent = sum(len(content) for content in contents) * PEOPLE * EACH / 2 / 1e6
    assert grown < MOST_MEGABYTES, f"{grown:.0f} MB more for {sent:.0f} MB sent"
    await assert_whole(shelf)


async def put(http: aiohttp.ClientSession, server: Served, person: Person, content: bytes) -> None:
    headers = {"Authorization": f"Bearer {person.token}"}
    for _ in range(TRIES):
        form = aiohttp.FormData()
        form.add_field("file", content, filename="a")
        async with http.post(f"{server.url}/v1/files", data=form, headers=headers) as response:
            if response.status == 201:
                return
            problem = await response.json()
        assert problem["code"] == "unavailable", problem
        await asyncio.sleep(problem["retryAfterMs"] / 1000)
    raise AssertionError(f"refused {TRIES} times: {problem}")


def peak_megabytes(server: Served) -> float:
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1e3


async def assert_whole(shelf: FileService) -> None:
    """Every record has its bytes, and there are no others."""
    database = shelf.running.node.database.db
    records = {one["_id"]: one async for one in database["files"].find()}
    ends = {one["_id"]: one["length"] async for one in database["fs.files"].find()}
    assert len(records) == PEOPLE * EACH + PEOPLE * EACH // 2 + 3
    assert {one["state"] for one in records.values()} == {"ready"}
    assert {_id: one["size"] for _id, one in records.items()} == ends
    chunks = sum(math.ceil(size / CHUNK_BYTES) for size in ends.values())
    assert (await shelf.counts())["fs.chunks"] == chunks
