"""Fifty uploads at once: the memory of the server does not grow with them, and all of them arrive whole.

A busy machine refuses some of them for a while, as it may: they are sent again.
"""

from __future__ import annotations

import asyncio
import math
import random
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from bson import ObjectId
from PIL import Image

from store.file_bytes import CHUNK_BYTES
from tests.files import samples
from tests.files.samples import saved
from tests.files.service import FileService
from tests.harness.people import Person
from tests.together.processes import Served, served

PEOPLE, EACH = 10, 5
TRIES = 20
MOST_MEGABYTES = 120


async def test_fifty_uploads_at_once(shelf: FileService, shared_url: str, redis_url: str, tmp_path: Path) -> None:
    people = [await shelf.people.make() for _ in range(PEOPLE)]
    noise = Image.frombytes("RGB", (1500, 1000), random.Random(1).randbytes(4_500_000))
    contents = [samples.mp4(0) + samples.box(b"free", bytes(12_000_000)), saved(noise, "JPEG", quality=95)]
    async with served(shared_url, redis_url, tmp_path / "other") as server, aiohttp.ClientSession() as http:
        # What a first upload loads is there before.
        first = [await put(http, server, people[0], content) for content in contents]
        before = peak_megabytes(server)
        uploads = await asyncio.gather(
            *(put(http, server, people[n % PEOPLE], contents[n % 2]) for n in range(PEOPLE * EACH)),
        )
        grown = peak_megabytes(server) - before
    sent = sum(len(content) for content in contents) * PEOPLE * EACH / 2 / 1e6
    assert grown < MOST_MEGABYTES, f"{grown:.0f} MB more for {sent:.0f} MB sent"
    await assert_whole(shelf, [*first, *uploads])


@dataclass(frozen=True)
class Upload:
    file_id: str
    refused: int


async def put(http: aiohttp.ClientSession, server: Served, person: Person, content: bytes) -> Upload:
    headers = {"Authorization": f"Bearer {person.token}"}
    for refused in range(TRIES):
        form = aiohttp.FormData()
        form.add_field("file", content, filename="a")
        async with http.post(f"{server.url}/v1/files", data=form, headers=headers) as response:
            answer = await response.json()
            if response.status == 201:
                return Upload(answer["id"], refused)
        assert answer["code"] == "unavailable", answer
        await asyncio.sleep(answer["retryAfterMs"] / 1000)
    raise AssertionError(f"refused {TRIES} times: {answer}")


def peak_megabytes(server: Served) -> float:
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1e3


async def assert_whole(shelf: FileService, uploads: list[Upload]) -> None:
    """Every file that was answered has its bytes, and so has whatever else is kept."""
    database = shelf.running.node.database.db
    records = {str(one["_id"]): one async for one in database["files"].find({"state": "ready"})}
    ends = {str(one["_id"]): one["length"] async for one in database["fs.files"].find()}
    assert len({upload.file_id for upload in uploads}) == PEOPLE * EACH + 2
    assert {upload.file_id for upload in uploads} <= records.keys()
    assert {_id: one["size"] for _id, one in records.items()} == {_id: ends[_id] for _id in records}
    for _id, record in records.items():
        chunks = await database["fs.chunks"].count_documents({"files_id": ObjectId(_id)})
        assert chunks == math.ceil(record["size"] / CHUNK_BYTES)
    # An upload that is given up when its bytes are there already leaves a file that nobody uses, for a sweep to remove.
    if not any(upload.refused for upload in uploads):
        assert len(records) == len(ends) == PEOPLE * EACH + PEOPLE * EACH // 2 + 3
