"""Connections that keep their request to themselves are dropped, those of one address are counted."""

from __future__ import annotations

import asyncio
import json
import zlib

import aiohttp
import pytest

from server.http.connections import HttpConnections
from tests.harness.devices import TIMEOUT_SECONDS
from tests.harness.nodes import RunningNode
from tests.harness.waiting import until
from tests.server.http.serving import LOOK_EVERY, ended, serving

POST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n"


async def looks(count: float) -> None:
    """For what must not happen meanwhile."""
    await asyncio.sleep(count * LOOK_EVERY)


@pytest.mark.parametrize(
    "begun",
    [b"", b"G", b"GET / HTTP/1.1\r\nHost: a\r\n", POST, POST + b"x" * 50],
    ids=["nothing", "a byte", "half a head", "no body", "half a body"],
)
async def test_what_never_becomes_a_request_is_dropped(begun: bytes) -> None:
    async with serving() as here:
        reader, _ = await here.open(begun)
        assert await ended(reader) == b""
        assert here.connections.counters.too_slow == 1


@pytest.mark.parametrize("begun", [b"GET / HTTP/1.1\r\n", POST], ids=["head", "body"])
async def test_a_trickle_is_dropped_too(begun: bytes) -> None:
    async with serving() as here:
        reader, writer = await here.open(begun)

        async def trickle() -> None:
            while True:
                writer.write(b"x: y\r\n")
                await asyncio.sleep(LOOK_EVERY / 10)

        trickling = asyncio.create_task(trickle())
        assert await ended(reader) == b""
        trickling.cancel()


async def test_a_body_whose_route_waits_for_it_is_answered_by_that() -> None:
    async with serving() as here:
        reader, _ = await here.open(POST.replace(b"POST /", b"POST /paced") + b"x")
        await here.waiting.wait()
        await looks(5)
        assert here.connections.counters.too_slow == 0
        here.go_on.set()
        assert (await asyncio.wait_for(reader.readline(), TIMEOUT_SECONDS)).startswith(b"HTTP/1.1 400")


async def test_a_slow_upload_that_comes_on_is_taken() -> None:
    async with serving() as here:
        reader, writer = await here.open(POST)
        for _ in range(20):
            writer.write(b"x" * 5000)
            await looks(0.4)
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
        assert len(await reader.readexactly(100_000)) == 100_000
        writer.close()


async def test_who_waits_for_an_answer_may_wait() -> None:
    async with serving() as here, aiohttp.ClientSession() as http:
        polling = asyncio.create_task(_text(http, here.port, "/wait"))
        await here.waiting.wait()
        await looks(4)
        here.go_on.set()
        assert await polling == "at last"
        # Nor is a connection dropped that rests between two requests.
        await looks(4)
        assert await _text(http, here.port, "/") == ""
        assert len(here.connections) == 1
        assert here.connections.counters.too_slow == 0


async def _text(http: aiohttp.ClientSession, port: int, path: str) -> str:
    async with http.get(f"http://127.0.0.1:{port}{path}") as response:
        return await response.text()


async def test_one_address_has_so_many_and_gets_them_back() -> None:
    async with serving(most=3) as here:
        taken = [await here.open(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n") for _ in range(3)]
        for reader, _ in taken:
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
        refused, _ = await here.open(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert await ended(refused) == b""
        assert here.connections.counters.refused == 1
        taken[0][1].close()
        await until(lambda: len(here.connections) == 2)
        reader, writer = await here.open(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
        for each in (writer, taken[1][1], taken[2][1]):
            each.close()


async def test_an_ipv6_network_has_so_many() -> None:
    connections = HttpConnections(2)
    made = [StillOpen() for _ in range(4)]
    assert connections.add(made[0], "2001:db8:1:1::1")
    assert connections.add(made[1], "2001:db8:1:1::2")
    assert not connections.add(made[2], "2001:db8:1:1::3")
    assert connections.add(made[3], "2001:db8:1:2::1")
    connections.remove(made[0])
    assert connections.add(made[2], "2001:db8:1:1::3")
    connections.stop()


class StillOpen:
    progress = None
    unread = 0
    taken = 0

    def abort(self) -> None:
        """It stays."""


async def test_sockets_are_not_counted_here(running: RunningNode) -> None:
    """They are by the engine, once the connection has left the HTTP server."""
    url = f"{running.url}/socket.io/?EIO=4&transport=websocket"
    async with aiohttp.ClientSession() as http, http.ws_connect(url) as websocket:
        await websocket.receive()
        assert len(running.node.gateway.eio.sockets) == 1
        assert len(running.node.http) == 0


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"nonsense\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
)  # fmt: skip
async def test_what_is_no_http_is_told_so_like_any_error(running: RunningNode, request_bytes: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(running.url.rpartition(":")[2]))
    writer.write(request_bytes)
    head, _, body = (await ended(reader)).partition(b"\r\n\r\n")
    assert head.startswith((b"HTTP/1.1 400", b"HTTP/1.0 400")), head
    assert b"application/problem+json" in head
    told = json.loads(body)
    assert (told["status"], told["code"], told["type"]) == (400, "malformed", "urn:spotter:error:malformed")
    assert told["detail"].startswith("This is no request that HTTP knows: ")
    writer.close()


@pytest.mark.parametrize("path", ["/v1/auth/login", "/socket.io/?EIO=4&transport=polling", "/nowhere"])
async def test_no_transfer_coding_but_chunked_is_known(running: RunningNode, path: str) -> None:
    """What is read as chunked and is not may be read otherwise by a proxy: two would see two requests."""
    for codings in (
        ["gzip, chunked"], ["identity, chunked"], [",chunked"], ["gzip", "chunked"], ["chunked, gzip"],
        ["chunked, chunked"], ["gzip"], ["chunked;q=1"],
    ):  # fmt: skip
        head = await _head_of_answer(running, path, codings)
        assert head.startswith((b"HTTP/1.1 501", b"HTTP/1.0 501")), (codings, head)
        assert b"application/problem+json" in head
        assert b"connection: close" in head.lower() or head.startswith(b"HTTP/1.0")
    for coding in ("chunked", "Chunked"):
        assert b" 501 " not in await _head_of_answer(running, path, [coding])


async def test_an_unknown_transfer_coding_has_a_code_of_its_own(running: RunningNode) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(running.url.rpartition(":")[2]))
    writer.write(b"POST /v1/auth/login HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n")
    answer = await asyncio.wait_for(reader.read(), TIMEOUT_SECONDS)
    told = json.loads(answer.partition(b"\r\n\r\n")[2])
    assert (told["status"], told["code"], told["type"]) == (501, "not_implemented", "urn:spotter:error:not_implemented")
    writer.close()


async def test_a_body_in_a_content_coding_is_not_decoded() -> None:
    """Two megabytes can stand for gigabytes, and whoever is answered without a look at them has them decoded too."""
    async with serving() as here:
        body = zlib.compress(bytes(1_000_000))
        head = f"POST / HTTP/1.1\r\nHost: a\r\nContent-Encoding: deflate\r\nContent-Length: {len(body)}\r\n"
        reader, _ = await here.open(f"{head}Connection: close\r\n\r\n".encode() + body)
        assert (await ended(reader)).startswith(b"HTTP/1.1 415 ")


async def _head_of_answer(running: RunningNode, path: str, codings: list[str]) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(running.url.rpartition(":")[2]))
    headers = "".join(f"Transfer-Encoding: {coding}\r\n" for coding in codings)
    writer.write(f"POST {path} HTTP/1.1\r\nHost: a\r\n{headers}\r\n".encode() + b"2\r\n{}\r\n0\r\n\r\n")
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), TIMEOUT_SECONDS)
    writer.close()
    return head


async def test_a_body_that_nobody_reads_yet_is_not_its_sender_s_fault() -> None:
    """An upload that waits for its turn."""
    async with serving() as here:
        body = bytes(5_000_000)
        head = f"POST /wait HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
        reader, _ = await here.open(head.encode() + body)
        await here.waiting.wait()
        await looks(5)
        assert here.connections.counters.too_slow == 0
        here.go_on.set()
        assert (await asyncio.wait_for(reader.readline(), TIMEOUT_SECONDS)).startswith(b"HTTP/1.1 200")
