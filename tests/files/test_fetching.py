"""Who may fetch a file, in which parts, and how it is cached."""

from __future__ import annotations

import pytest

from tests.files import samples
from tests.files.shelf import Shelf

VIDEO = samples.mp4(600_000)


async def test_ranges(shelf: Shelf) -> None:
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
    ):
        response, body = await shelf.get(url, headers={"Range": asked})
        assert (response.status, body) == (206, VIDEO[start:end])
        assert response.headers["Content-Range"] == f"bytes {start}-{end - 1}/{size}"
    for asked in ("bytes=0-1,3-4", "bytes=5-2", "lines=1-2", "bytes=-", "bytes=a-b"):
        response, body = await shelf.get(url, headers={"Range": asked})
        assert (response.status, len(body)) == (200, size)
    response, _ = await shelf.get(url, headers={"Range": f"bytes={size}-"})
    assert (response.status, response.headers["Content-Range"]) == (416, f"bytes */{size}")
    etag = whole.headers["ETag"]
    assert (await shelf.get(url, headers={"Range": "bytes=0-9", "If-Range": etag}))[0].status == 206
    assert (await shelf.get(url, headers={"Range": "bytes=0-9", "If-Range": '"other"'}))[0].status == 200


async def test_caching(shelf: Shelf) -> None:
    url = (await shelf.uploaded(await shelf.people.make(), samples.PDF))["url"]
    first, _ = await shelf.get(url)
    assert first.headers["Cache-Control"].startswith("private, max-age=")
    again, body = await shelf.get(url, headers={"If-None-Match": f'W/"x", {first.headers["ETag"]}'})
    assert (again.status, body) == (304, b"")
    head, body = await shelf.get(url, method="HEAD")
    assert (head.status, body, head.headers["Content-Length"]) == (200, b"", str(len(samples.PDF)))


async def test_a_url_is_good_as_it_is_only(shelf: Shelf) -> None:
    one, other = [await shelf.uploaded(await shelf.people.make(), samples.PDF) for _ in range(2)]
    path, _, query = one["url"].partition("?")
    assert (await shelf.get(f"{path.replace(one['id'], other['id'])}?{query}"))[0].status == 404
    expires = query.partition("=")[2].partition("&")[0]
    later = query.replace(expires, str(int(expires) + 3600))
    assert (await shelf.get(f"{path}?{later}"))[0].status == 404
    assert (await shelf.get(f"{path}?{query}0"))[0].status == 404
    assert (await shelf.get(path))[0].status == 401
    assert (await shelf.get(f"{path}?expires=x&signature=y"))[0].status == 422


async def test_with_a_token_it_is_for_those_who_may_see_it(shelf: Shelf) -> None:
    client, trainer, _ = await shelf.people.pair()
    stranger, admin = await shelf.people.make(), await shelf.people.make("admin")
    answer = await shelf.uploaded(client, samples.image())
    for path in (answer["url"], answer["thumbnailUrl"]):
        bare = path.partition("?")[0]
        for person, status in ((client, 200), (admin, 200), (trainer, 404), (stranger, 404)):
            response, _ = await shelf.get(bare, person)
            assert response.status == status


@pytest.mark.parametrize("path", ["/v1/files/" + "0" * 24, "/v1/files/nonsense"])
async def test_what_is_not_there(shelf: Shelf, path: str) -> None:
    response, _ = await shelf.get(path, await shelf.people.make())
    assert response.status in (404, 422)
