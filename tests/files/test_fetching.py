"""Who may fetch a file, in which parts, and how it is cached."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from typing import Any

import aiohttp
import pytest

from domain.files import FileUse
from domain.times import whole_milliseconds
from server.app import utc_now
from store.files import Files
from tests.files import samples
from tests.files.service import FileService
from tests.files.wire import line, whole

VIDEO = samples.mp4(600_000)


async def test_ranges(shelf: FileService) -> None:
    url = (await shelf.uploaded(await shelf.people.make(), VIDEO))["url"]
    size = len(VIDEO)
    whole, _ = await shelf.get(url)
    assert whole.headers["Accept-Ranges"] == "bytes"
    for asked, start, end in (
        ("bytes=0-9", 0, 10),
        ("bytes=261110-261130", 261110, 261131),
        ("bytes=599000-", 599000, size),
        ("bytes=-5", size - 5, size),
        ("bytes=10-99999999999", 10, size),
        (f"bytes=10-{'9' * 5000}", 10, size),
        (f"bytes={'0' * 30}1-2", 1, 3),
        # All of it is a part as well: players ask in this way whether parts can be had.
        ("bytes=0-", 0, size),
        (f"bytes=0-{size - 1}", 0, size),
        (f"bytes=-{size + 1}", 0, size),
    ):
        response, body = await shelf.get(url, headers={"Range": asked})
        assert (response.status, body) == (206, VIDEO[start:end])
        assert response.headers["Content-Range"] == f"bytes {start}-{end - 1}/{size}"
    for asked in ("bytes=0-1,3-4", "bytes=5-2", "lines=1-2", "bytes=-", "bytes=a-b", "bytes=٠-٩", f"bytes={size}-5"):
        response, body = await shelf.get(url, headers={"Range": asked})
        assert (response.status, len(body)) == (200, size)
    for asked in (f"bytes={size}-", f"bytes={'9' * 20}-", f"bytes={'9' * 5000}-{'9' * 1000}", "bytes=-0"):
        response, _ = await shelf.get(url, headers={"Range": asked})
        assert (response.status, response.headers["Content-Range"]) == (416, f"bytes */{size}")
    etag = whole.headers["ETag"]
    assert (await shelf.get(url, headers={"Range": "bytes=0-9", "If-Range": etag}))[0].status == 206
    assert (await shelf.get(url, headers={"Range": "bytes=0-9", "If-Range": '"other"'}))[0].status == 200


async def test_a_signed_url_can_be_written_in_one_way(shelf: FileService) -> None:
    url = (await shelf.uploaded(await shelf.people.make(), samples.PDF))["url"]
    expires = url.partition("expires=")[2].partition("&")[0]
    for written in (f"{expires}.0", f"0{expires}", f"%2B{expires}", f"%20{expires}", f"{expires}e0", "٣"):
        response, _ = await shelf.get(url.replace(expires, written))
        assert response.status == 422, written
    assert (await shelf.get(url))[0].status == 200


async def test_caching(shelf: FileService) -> None:
    url = (await shelf.uploaded(await shelf.people.make(), samples.PDF))["url"]
    first, _ = await shelf.get(url)
    assert first.headers["Cache-Control"].startswith("private, max-age=")
    again, body = await shelf.get(url, headers={"If-None-Match": f'W/"x", {first.headers["ETag"]}'})
    assert (again.status, body) == (304, b"")
    head, body = await shelf.get(url, method="HEAD")
    assert (head.status, body, head.headers["Content-Length"]) == (200, b"", str(len(samples.PDF)))


async def test_a_precondition_is_heeded(shelf: FileService) -> None:
    url = (await shelf.uploaded(await shelf.people.make(), samples.PDF))["url"]
    etag = (await shelf.get(url))[0].headers["ETag"]
    for named in (etag, "*", f'"other", {etag}'):
        assert (await shelf.get(url, headers={"If-Match": named}))[0].status == 200, named
    for named in ('"other"', f"W/{etag}", etag.strip('"'), ""):
        for beside in ({}, {"Range": "bytes=0-1"}, {"If-None-Match": etag}):
            response, body = await shelf.get(url, headers={"If-Match": named, **beside})
            told = json.loads(body)
            assert (response.status, told["code"]) == (412, "precondition_failed"), named
            assert etag in told["detail"]
        assert (await shelf.get(url, method="HEAD", headers={"If-Match": named}))[0].status == 412


async def test_a_range_beyond_the_end_is_told_the_length(shelf: FileService) -> None:
    url = (await shelf.uploaded(await shelf.people.make(), samples.PDF))["url"]
    response, body = await shelf.get(url, headers={"Range": f"bytes={len(samples.PDF)}-"})
    told = json.loads(body)
    assert (response.status, told["status"], told["code"]) == (416, 416, "range_not_satisfiable")
    assert str(len(samples.PDF)) in told["detail"]


async def test_a_url_is_good_as_it_is_only(shelf: FileService) -> None:
    one, other = [await shelf.uploaded(await shelf.people.make(), samples.PDF) for _ in range(2)]
    path, _, query = one["url"].partition("?")
    assert (await shelf.get(f"{path.replace(one['id'], other['id'])}?{query}"))[0].status == 404
    expires = query.partition("=")[2].partition("&")[0]
    later = query.replace(expires, str(int(expires) + 3600))
    assert (await shelf.get(f"{path}?{later}"))[0].status == 404
    assert (await shelf.get(f"{path}?{query}0"))[0].status == 404
    assert (await shelf.get(path))[0].status == 401
    assert (await shelf.get(f"{path}?expires=x&signature=y"))[0].status == 422


async def test_with_a_token_it_is_for_those_who_may_see_it(shelf: FileService) -> None:
    client, trainer, _ = await shelf.people.pair()
    stranger, admin = await shelf.people.make(), await shelf.people.make("admin")
    answer = await shelf.uploaded(client, samples.image())
    for path in (answer["url"], answer["thumbnailUrl"]):
        bare = path.partition("?")[0]
        for person, status in ((client, 200), (admin, 200), (trainer, 404), (stranger, 404)):
            response, _ = await shelf.get(bare, person)
            assert response.status == status


async def test_a_blocked_user_s_files_end_with_the_block(shelf: FileService) -> None:
    """By URLs that were signed before as well, for the other side of a conversation too; not for administrators."""
    client, trainer, conversation = await shelf.people.pair()
    admin = await shelf.people.make("admin")
    answer = await shelf.uploaded(client, samples.image())
    use = FileUse(kind="message", id="7" * 24, conversation_id=conversation)
    node = shelf.running.node
    assert await node.store.files.claim(answer["id"], client.id, "image", use, whole_milliseconds(utc_now()))
    signed = [answer["url"], answer["thumbnailUrl"]]
    bare = [url.partition("?")[0] for url in signed]

    async def statuses() -> list[int]:
        asked = [(url, None) for url in signed] + [(url, who) for url in bare for who in (trainer, admin)]
        return [(await shelf.get(url, who))[0].status for url, who in asked]

    assert await statuses() == [200] * 6
    route = f"{shelf.running.url}/v1/admin/users/{client.id}"
    headers = {"Authorization": f"Bearer {admin.token}"}
    async with shelf.http.post(f"{route}/block", json={"reason": "spam"}, headers=headers) as response:
        assert response.status == 204, await response.text()
    assert await statuses() == [404, 404, 404, 200, 404, 200]
    async with shelf.http.post(f"{route}/unblock", headers=headers) as response:
        assert response.status == 204, await response.text()
    assert await statuses() == [200] * 6


@pytest.mark.parametrize("path", ["/v1/files/" + "0" * 24, "/v1/files/nonsense"])
async def test_what_is_not_there(shelf: FileService, path: str) -> None:
    response, _ = await shelf.get(path, await shelf.people.make())
    assert response.status in (404, 422)


async def test_a_head_has_no_ranges(shelf: FileService) -> None:
    url = (await shelf.uploaded(await shelf.people.make(), VIDEO))["url"]
    head, _ = await shelf.get(url, method="HEAD", headers={"Range": "bytes=0-9"})
    assert (head.status, head.headers["Content-Length"]) == (200, str(len(VIDEO)))


async def test_what_is_kept_in_a_cache_depends_on_how_it_was_asked_for(shelf: FileService) -> None:
    person = await shelf.people.make()
    url = (await shelf.uploaded(person, samples.PDF))["url"]
    signed, _ = await shelf.get(url)
    directives = signed.headers["Cache-Control"].split(", ")
    assert "immutable" in directives
    assert 23 * 3600 < int(directives[1].partition("=")[2]) <= 25 * 3600
    # The next on this device may be somebody else.
    with_token, _ = await shelf.get(url.partition("?")[0], person)
    assert with_token.headers["Cache-Control"] == "private, no-cache"
    again, _ = await shelf.get(url.partition("?")[0], person, headers={"If-None-Match": signed.headers["ETag"]})
    assert again.status == 304


async def test_bytes_that_are_gone_are_not_found_before_anything_is_answered(shelf: FileService) -> None:
    url = (await shelf.uploaded(await shelf.people.make(), samples.PDF))["url"]
    await shelf.running.node.database.collection("fs.chunks").delete_many({})
    response, _ = await shelf.get(url)
    assert response.status == 404


async def test_bytes_that_go_midway_end_the_connection(shelf: FileService) -> None:
    url = (await shelf.uploaded(await shelf.people.make(), VIDEO))["url"]
    await shelf.running.node.database.collection("fs.chunks").delete_many({"n": 2})
    with pytest.raises(aiohttp.ClientPayloadError):
        await shelf.get(url)


async def test_a_reader_that_breaks_off_leaves_nothing_running(
    shelf: FileService, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = shelf.running.node.store.files
    url = (await shelf.uploaded(await shelf.people.make(), samples.mp4(0) + samples.box(b"free", bytes(30_000_000))))[
        "url"
    ]
    read, asked, ended = files.chunk, [0], asyncio.Event()

    async def chunk(file_id: str, number: int) -> bytes:
        asked[0] += 1
        return await read(file_id, number)

    async def watched(*span: Any) -> AsyncGenerator[bytes, None]:
        try:
            async for one in Files.read(files, *span):
                yield one
        finally:
            ended.set()

    monkeypatch.setattr(files, "chunk", chunk)
    monkeypatch.setattr(files, "read", watched)
    async with line(shelf.running.url) as phone:
        await phone.send(f"GET {url} HTTP/1.1\r\nHost: spotter\r\n\r\n".encode())
        assert await phone.status() == 200
        # It reads no further, and the server not either.
        phone.cut()
        await asyncio.wait_for(ended.wait(), 10)
    assert asked[0] < 60


@pytest.mark.parametrize(
    ("name", "plain", "extended"),
    [
        ("../../etc/passwd", "passwd.pdf", "passwd.pdf"),
        ("C:\\temp\\Rechnung.PDF", "Rechnung.PDF", "Rechnung.PDF"),
        ("Übung.pdf", "_bung.pdf", "%C3%9Cbung.pdf"),
        ("page.html", "page.pdf", "page.pdf"),
        ("no ending", "no ending.pdf", "no%20ending.pdf"),
        ("\u202efdp.exe", "fdp.pdf", "fdp.pdf"),
        ("...", "pdf.pdf", "pdf.pdf"),
    ],
)
async def test_a_file_is_saved_under_a_harmless_name(shelf: FileService, name: str, plain: str, extended: str) -> None:
    # Unescaped, as browsers and phones do.
    body = whole(samples.PDF).replace(b'filename="a"', b'filename="' + name.replace("\\", "\\\\").encode() + b'"')
    multipart = {"Content-Type": "multipart/form-data; boundary=xx"}
    _, answer = await shelf.post(await shelf.people.make(), body, **multipart)
    response, _ = await shelf.get(answer["url"])
    expected = f"attachment; filename=\"{plain}\"; filename*=UTF-8''{extended}"
    assert response.headers["Content-Disposition"] == expected
