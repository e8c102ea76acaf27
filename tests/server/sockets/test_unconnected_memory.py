"""What sockets without a token can make a server keep, each sending as much as it may and reading nothing."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from server.engineio import TransportLimits
from tests.harness.devices import TIMEOUT_SECONDS
from tests.server.engineio.harness import MORE, REQUEST_WEIGHT, TEXT, masked
from tests.together.processes import Served, served

BYTES = TransportLimits().unconnected_bytes
# Of issue 9: a thousand of them.
MEGABYTES = 20.0
AT_ONCE = 50
PATH = "/socket.io/?EIO=4&transport="
# Each is refused, and nobody fetches the refusals.
NAMESPACES = [f"40/none{number}," for number in range(8)]


class SlowReader(asyncio.Protocol):
    """Sends, and reads no more than one answer at a time."""

    def __init__(self) -> None:
        self.received = b""
        self._changed = asyncio.Event()

    @classmethod
    async def open(cls, server: Served) -> SlowReader:
        port = int(server.url.rpartition(":")[2])
        return (await asyncio.get_running_loop().create_connection(cls, "127.0.0.1", port))[1]

    def connection_made(self, transport: Any) -> None:
        self.transport: asyncio.Transport = transport

    def data_received(self, data: bytes) -> None:
        self.received += data
        self._changed.set()

    async def until(self, mark: bytes) -> bytes:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            while mark not in self.received:
                self._changed.clear()
                await self._changed.wait()
        found, self.received = self.received, b""
        return found

    def request(self, method: str, path: str, *headers: str) -> None:
        self.transport.write("\r\n".join((f"{method} {path} HTTP/1.1", "Host: a", *headers, "", "")).encode())

    def upgrade(self, path: str) -> None:
        key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
        self.request("GET", path, "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13", key)


async def websocket(server: Served) -> list[SlowReader]:
    """A message in fragments, but for its last byte."""
    hoarder = await SlowReader.open(server)
    hoarder.upgrade(PATH + "websocket")
    await hoarder.until(b'"maxPayload"')
    hoarder.transport.pause_reading()
    refused = b"".join(masked(TEXT, packet.encode()) for packet in NAMESPACES)
    half = masked(TEXT, b"4".ljust(BYTES // 2, b"x"), fin=False)
    hoarder.transport.write(refused + half + masked(MORE, bytes(BYTES - BYTES // 2))[:-1])
    return [hoarder]


async def polling(server: Served) -> list[SlowReader]:
    """A POST but for its last byte, behind one whose answers it does not fetch."""
    hoarder = await SlowReader.open(server)
    hoarder.request("GET", PATH + "polling")
    opening = await hoarder.until(b'"maxPayload"')
    sid = json.loads(opening[opening.index(b"0{") + 1 :])["sid"]
    body = "\x1e".join(NAMESPACES)
    hoarder.request("POST", f"{PATH}polling&sid={sid}", f"Content-Length: {len(body)}")
    hoarder.transport.write(body.encode())
    await hoarder.until(b"\r\n\r\nok")
    hoarder.request("POST", f"{PATH}polling&sid={sid}", f"Content-Length: {BYTES}")
    hoarder.transport.write(b"4".ljust(BYTES - 1, b"x"))
    return [hoarder]


Open = Callable[[Served], Awaitable[list[SlowReader]]]


async def added(server: Served, count: int, opened: Open, weight: int, http: aiohttp.ClientSession) -> float:
    """The megabytes that so many take, once all have arrived and too many of them were cut."""
    places = asyncio.Semaphore(AT_ONCE)

    async def one() -> list[SlowReader]:
        async with places:
            return await opened(server)

    cut_before = await server.figure(http, "spotter_unfinished_cut_total")

    async def unfinished() -> float:
        cut = await server.figure(http, "spotter_unfinished_cut_total") - cut_before
        return await server.figure(http, "spotter_unfinished_bytes") + cut * weight

    before = server.megabytes()
    all_of_them = [hoarder for made in await asyncio.gather(*(one() for _ in range(count))) for hoarder in made]
    async with asyncio.timeout(TIMEOUT_SECONDS):
        while await unfinished() < count * weight:
            pass
    taken = server.megabytes() - before
    for hoarder in all_of_them:
        hoarder.transport.abort()
    async with asyncio.timeout(TIMEOUT_SECONDS):
        while await server.figure(http, "spotter_unfinished_bytes"):
            pass
    return taken


@pytest.fixture
async def server(database_url: str, redis_url: str, tmp_path: Path) -> AsyncIterator[Served]:
    program = Path(__file__).with_name("patient_server.py")
    async with served(database_url, redis_url, tmp_path, program=program) as made:
        yield made


# Few of them may fill what all may fill together.
@pytest.mark.parametrize(("count", "most"), [(200, 8.0), pytest.param(1000, MEGABYTES, marks=pytest.mark.verify)])
async def test_sockets_without_a_token_take_little(server: Served, count: int, most: float) -> None:
    async with aiohttp.ClientSession() as http:
        for opened, weight in ((websocket, BYTES - 1), (polling, BYTES - 1 + REQUEST_WEIGHT)):
            await added(server, 20, opened, weight, http)
            assert await added(server, count, opened, weight, http) < most
