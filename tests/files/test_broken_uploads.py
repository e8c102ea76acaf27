"""Uploads that break off, lie or dawdle leave nothing, and hold up nobody."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from domain.files import StoredFile
from domain.times import whole_milliseconds
from rest.pace import Pace
from rest.uploads import OF_ONE_USER
from server.app import utc_now
from store.file_bytes import finished
from tests.files import samples
from tests.files.service import NOTHING, FileService
from tests.files.wire import HEAD, line, post, whole
from tests.harness.people import Person
from tests.together.processes import served


async def test_connections_that_die_midway_leave_nothing(shelf: FileService) -> None:
    person = await shelf.people.make()
    content = samples.mp4(2_000_000)
    for _ in range(OF_ONE_USER):
        async with line(shelf.running.url) as phone:
            await phone.send(post(person, len(whole(content))) + HEAD + content[:1_500_000])
            phone.cut()
    # Their turns are free again when they have been given up, and not before.
    await asyncio.gather(*(shelf.uploaded(person, samples.PDF) for _ in range(OF_ONE_USER)))
    assert await shelf.counts() == {"files": OF_ONE_USER, "fs.files": OF_ONE_USER, "fs.chunks": OF_ONE_USER}


@pytest.mark.parametrize("sent", [b"", HEAD[:20], HEAD, HEAD + samples.PDF[:30], HEAD + samples.PDF])
async def test_a_sender_that_falls_silent_is_not_waited_for(
    shelf: FileService, monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    monkeypatch.setattr(Pace, "STALL_SECONDS", 0.3)
    async with line(shelf.running.url) as phone:
        # It says more than it has.
        await phone.send(post(await shelf.people.make(), 10_000) + sent)
        assert await phone.problem() == (400, "malformed", "The body did not arrive in time.")
    assert await shelf.counts() == NOTHING


async def test_a_sender_that_dawdles_is_not_waited_for(shelf: FileService, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Pace, "GRACE_SECONDS", 0.5)
    async with line(shelf.running.url) as phone:
        await phone.send(post(await shelf.people.make(), 1_000_000) + HEAD + b"%PDF-1.4\n")
        # Long before it would count as stalled.
        assert await phone.problem() == (400, "malformed", "The body did not arrive in time.")


async def test_a_form_in_a_content_coding_is_refused(shelf: FileService) -> None:
    async with line(shelf.running.url) as phone:
        request = post(await shelf.people.make(), len(whole(samples.PDF)))
        await phone.send(request.removesuffix(b"\r\n") + b"Content-Encoding: gzip\r\n\r\n" + whole(samples.PDF))
        assert (await phone.problem())[:2] == (415, "unsupported_media")
    assert await shelf.counts() == NOTHING


async def test_a_length_that_is_too_short_cuts_the_form(shelf: FileService) -> None:
    async with line(shelf.running.url) as phone:
        await phone.send(post(await shelf.people.make(), len(whole(samples.PDF)) - 20) + whole(samples.PDF))
        assert await phone.status() == 400
    assert await shelf.counts() == NOTHING


@pytest.mark.parametrize("nothing", [b"\n", b"\r\n", b"--\n", b"x" * 100 + b"\n"])
async def test_what_comes_before_the_form_keeps_nobody_waiting(shelf: FileService, nothing: bytes) -> None:
    person = await shelf.people.make()

    async def cost(body: bytes, status: int) -> float:
        """CPU seconds of both sides of the connection, least of three."""
        costs = []
        for _ in range(3):
            began = time.thread_time()
            async with line(shelf.running.url) as phone:
                await phone.send(post(person, len(body)) + body[:600_000])
                assert await phone.status() == status
            costs.append(time.thread_time() - began)
        return min(costs)

    refused_at_once = await cost(HEAD.replace(b'"file"', b'"else"') + bytes(1_000_000), 422)
    # Read by the line it takes a hundred times as long and more.
    assert await cost(nothing * (1_000_000 // len(nothing)) + whole(samples.PDF), 400) < 10 * refused_at_once
    assert await shelf.counts() == NOTHING
    async with line(shelf.running.url) as phone:
        body = b"Some clients greet.\r\n" + whole(samples.PDF)
        await phone.send(post(person, len(body)) + body)
        assert await phone.status() == 201


async def test_a_length_that_is_too_large_is_refused_before_the_body(shelf: FileService) -> None:
    async with line(shelf.running.url) as phone:
        await phone.send(post(await shelf.people.make(), 200_000_000))
        assert await phone.status() == 413


async def test_an_endless_body_is_refused_when_it_is_known_to_be_too_large(shelf: FileService) -> None:
    async def endless() -> AsyncIterator[bytes]:
        yield HEAD + b"%PDF-1.4\n"
        while True:
            yield bytes(1_000_000)

    status, answer = await shelf.post(
        await shelf.people.make(), endless(), **{"Content-Type": "multipart/form-data; boundary=xx"}
    )
    assert (status, answer["code"]) == (413, "payload_too_large")
    assert await shelf.counts() == NOTHING


def stored(person: Person) -> StoredFile:
    now = whole_milliseconds(utc_now())
    return StoredFile(
        id="5" * 24, owner_id=person.id, kind="pdf", content_type="application/pdf", size=1, digest="0" * 64,
        name="a.pdf", created_at=now,
    )  # fmt: skip


async def test_what_breaks_off_on_its_way_into_the_database_leaves_nothing(shelf: FileService) -> None:
    async def breaking() -> AsyncIterator[bytes]:
        yield bytes(3_000_000)
        raise ConnectionError

    with pytest.raises(ConnectionError):
        await shelf.running.node.store.files.write(stored(await shelf.people.make()), breaking())
    assert await shelf.counts() == NOTHING


@pytest.mark.parametrize("after", [1, 3, 5, 8])
async def test_who_is_cancelled_on_the_way_into_the_database_leaves_nothing(shelf: FileService, after: int) -> None:
    """While chunks are being written: no write of the driver's threads comes after the cleaning up."""
    file, loop = stored(await shelf.people.make()), asyncio.get_running_loop()

    async def pieces() -> AsyncIterator[bytes]:
        for number in range(10):
            yield bytes(1_000_000)
            if number == after:
                # When the next piece is on its way.
                loop.call_later(0, writing.cancel)

    writing = asyncio.create_task(shelf.running.node.store.files.write(file, pieces()))
    with pytest.raises(asyncio.CancelledError):
        await writing
    assert await shelf.counts() == NOTHING


async def test_what_was_begun_is_waited_for() -> None:
    operation: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    waiting = asyncio.create_task(finished(operation))
    await asyncio.sleep(0)
    waiting.cancel()
    for _ in range(5):
        await asyncio.sleep(0)
    assert not waiting.done()
    operation.set_result(1)
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_what_a_killed_server_leaves_is_swept(
    shelf: FileService, shared_url: str, redis_url: str, tmp_path: Path
) -> None:
    """It is killed when the first of 60 MB are in the database."""
    database = shelf.running.node.database.db
    person = await shelf.people.make()
    content = samples.mp4(0) + samples.box(b"free", bytes(60_000_000))
    async with (
        served(shared_url, redis_url, tmp_path / "other") as server,
        database["fs.chunks"].watch() as written,
        line(server.url) as phone,
    ):
        await phone.send(post(person, len(whole(content))) + whole(content))
        await written.next()
        await server.kill()
        assert await phone.status() == 0
    left = await shelf.counts()
    assert (left["files"], left["fs.files"]) == (1, 0)
    assert 0 < left["fs.chunks"] < 230
    assert await shelf.sweep(minutes=30) == 0
    assert await shelf.sweep(hours=2) == 1
    assert await shelf.counts() == NOTHING
