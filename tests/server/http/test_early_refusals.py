"""What is refused before there is a route, by whatever layer: in the one format, with our headers, in words."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from rest.requests import MAX_BODY_BYTES
from server.http.refusals import MOST_HEAD_BYTES
from tests.harness.devices import TIMEOUT_SECONDS
from tests.harness.nodes import RunningNode
from tests.harness.waiting import until
from tests.server.http.serving import ended, serving

LOGIN = b"POST /v1/auth/login HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
POLL = b"POST /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: a\r\n"


async def opened(running: RunningNode, sent: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(running.url.rpartition(":")[2]))
    writer.write(sent)
    return reader, writer


def problem_in(answer: bytes) -> tuple[dict[str, str], dict[str, Any]]:
    """The headers, by their names in small letters, and the problem."""
    head, _, body = answer.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    told = json.loads(body)
    assert first.split()[1] == str(told["status"])
    assert headers["content-type"].startswith("application/problem+json")
    assert headers["server"] == "spotter"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["cache-control"] == "no-store"
    assert told["requestId"] == headers["x-request-id"]
    assert "aiohttp" not in answer.decode(errors="replace").lower()
    return headers, told


REFUSED: list[tuple[bytes, int, str, str]] = [
    (b"GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n", 400, "malformed", "a path"),
    (b"GET nowhere HTTP/1.1\r\nHost: a\r\n\r\n", 400, "malformed", "a path that begins with a slash"),
    (b"GET / HTTP/9.9\r\nHost: a\r\n\r\n", 400, "malformed", "HTTP/1.1"),
    (b"GET / HTTP/1.1\r\n\r\n", 400, "malformed", "a Host header"),
    (b"GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n", 400, "malformed", "a name, a colon and a value"),
    (b"GET / HTTP/1.1\r\nHost: a\r\nX: a\x00b\r\n\r\n", 400, "malformed", "a name, a colon and a value"),
    (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400, "malformed", "Host is there once"),
    (b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n", 400, "malformed", "one whole number"),
    (b"FETCH /v1/me HTTP/1.1\r\nHost: a\r\n\r\n", 405, "method_not_allowed", "GET, HEAD, POST"),
    (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400, "malformed", "plain HTTP"),
    (b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 431, "head_too_large", "8,190 bytes"),
    (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 9000 + b"\r\n\r\n", 431, "head_too_large", "8,190 bytes"),
    (b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 200 + b"\r\n", 431, "head_too_large", "128 headers"),
    *(
        (path + header + b"Content-Length: 2\r\n\r\n{}", status, code, words)
        for path in (LOGIN, POLL, b"PUT /nowhere HTTP/1.1\r\nHost: a\r\n")
        for header, status, code, words in (
            (b"Expect: x\r\n", 400, "malformed", "100-continue"),
            (b"Content-Encoding: compress\r\n", 415, "unsupported_media", "identity"),
            (b"Content-Encoding: br\r\n", 415, "unsupported_media", "identity"),
        )
    ),
    (LOGIN + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501, "not_implemented", "chunked"),
    # What is in front may have read no body, and sent what looks like one as the next request.
    *(
        (
            path.replace(b"HTTP/1.1", b"HTTP/1.0") + b"Connection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"2\r\n{}\r\n0\r\n\r\nGET /healthz HTTP/1.1\r\nHost: a\r\n\r\n",
            400, "malformed", "HTTP/1.0",
        )
        for path in (LOGIN, POLL, b"PUT /nowhere HTTP/1.1\r\nHost: a\r\n")
    ),
]


async def test_it_is_told_what_would_be_right(running: RunningNode) -> None:
    for request_bytes, status, code, words in REFUSED:
        reader, writer = await opened(running, request_bytes)
        headers, told = problem_in(await ended(reader))
        assert (told["status"], told["code"]) == (status, code), request_bytes
        assert told["type"] == f"urn:spotter:error:{code}"
        assert words in told["detail"]
        assert "allow" in headers or status != 405
        assert headers.get("connection", "close") == "close"
        writer.close()


async def test_no_answer_names_the_library(running: RunningNode) -> None:
    for path in ("/socket.io/", "/socket.io/?EIO=4&transport=polling&sid=x", "/nowhere", "/v1/me"):
        reader, writer = await opened(running, f"GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
        head = (await ended(reader)).partition(b"\r\n\r\n")[0].lower()
        assert b"\r\nserver: spotter" in head
        assert b"\r\nx-content-type-options: nosniff" in head
        assert b"aiohttp" not in head
        writer.close()


# --- Expect: 100-continue ---


async def test_a_body_that_would_be_refused_is_not_asked_for(running: RunningNode) -> None:
    expecting = b"Expect: 100-continue\r\n"
    too_long = f"Content-Length: {MAX_BODY_BYTES + 1}\r\n\r\n".encode()
    for request_bytes, status in (
        (LOGIN + expecting + too_long, 413),
        (LOGIN.replace(b"application/json", b"text/plain") + expecting + b"Content-Length: 2\r\n\r\n", 415),
        (LOGIN.replace(b"/auth/login", b"/me/profile") + expecting + b"Content-Length: 2\r\n\r\n", 405),
        (b"POST /v1/files HTTP/1.1\r\nHost: a\r\n" + expecting + too_long, 401),
        (b"POST /nowhere HTTP/1.1\r\nHost: a\r\n" + expecting + too_long, 404),
    ):
        reader, writer = await opened(running, request_bytes)
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), TIMEOUT_SECONDS)
        assert head.startswith(f"HTTP/1.1 {status}".encode()), head
        # The body may never come.
        assert b"connection: close" in head.lower()
        writer.close()


async def test_a_body_that_is_wanted_is_asked_for(running: RunningNode) -> None:
    body = b'{"email": "x"}'
    head = LOGIN + b"Expect: 100-Continue\r\nContent-Length: %d\r\n\r\n" % len(body)
    reader, writer = await opened(running, head)
    assert await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), TIMEOUT_SECONDS) == b"HTTP/1.1 100 Continue\r\n\r\n"
    writer.write(body)
    answer = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), TIMEOUT_SECONDS)
    assert answer.startswith(b"HTTP/1.1 422")
    assert b"connection: close" not in answer.lower()
    writer.close()


# --- how much of a head is kept ---

HEADER = b"X: " + b"y" * 4000 + b"\r\n"


async def test_a_head_has_so_many_bytes_whether_it_ends_or_not() -> None:
    async with serving() as here:
        for end in (b"", b"\r\n"):
            reader, writer = await here.open(b"GET / HTTP/1.1\r\nHost: a\r\n" + HEADER * 20 + end)
            _, told = problem_in(await ended(reader))
            assert (told["status"], told["code"]) == (431, "head_too_large")
            writer.close()
        fits = MOST_HEAD_BYTES // len(HEADER) - 1
        reader, writer = await here.open(b"GET / HTTP/1.1\r\nHost: a\r\n" + HEADER * fits + b"\r\n")
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
        # The next one on the same connection is counted anew, and bounded as well.
        writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n" + HEADER * fits + b"\r\n")
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
        writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n" + HEADER * 20)
        _, told = problem_in(await ended(reader))
        assert told["code"] == "head_too_large"
        writer.close()


@pytest.mark.parametrize(
    "around",
    [lambda: b"0\r\n" + HEADER * 20, lambda: b"1;x=" + b"y" * 100_000, lambda: b"0\r\n" + b"X: y\r\n" * 20_000],
    ids=["trailers", "an extension", "many trailers"],
)
async def test_what_stands_around_chunks_is_bounded_too(around: Callable[[], bytes]) -> None:
    async with serving() as here:
        reader, writer = await here.open(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n")
        writer.write(around())
        answer = await ended(reader)
        assert not answer.startswith(b"HTTP/1.1 200")
        await until(lambda: len(here.connections) == 0)
        writer.close()


async def test_large_bodies_and_many_requests_at_once_are_none_of_it() -> None:
    async with serving() as here:
        body = bytes(1_000_000)
        head = f"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        reader, writer = await here.open(head[:40])
        async with asyncio.timeout(TIMEOUT_SECONDS):
            writer.write(head[40:] + body)
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
            assert await reader.readexactly(len(body)) == body
        writer.close()
        reader, writer = await here.open(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 3_000)
        async with asyncio.timeout(TIMEOUT_SECONDS):
            for _ in range(3_000):
                assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
        writer.close()
