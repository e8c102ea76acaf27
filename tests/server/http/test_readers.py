"""Who does not read an answer is cut, who reads it slowly is not."""

from __future__ import annotations

import asyncio
import sys

import pytest

from tests.harness.devices import TIMEOUT_SECONDS
from tests.harness.waiting import until
from tests.server.http.serving import LARGE, LOOK_EVERY, UNREAD, ended, serving


def get(path: str, connection: str = "keep-alive") -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: a\r\nConnection: {connection}\r\n\r\n".encode()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what its kernel holds")
async def test_what_the_kernel_keeps_is_unread_as_well() -> None:
    async with serving() as here:
        _, writer = await here.open(get("/kept"), receives=4096)
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        await until(lambda: here.connections.counters.unread == 1)
        await until(lambda: len(here.connections) == 0)
        writer.transport.abort()


async def test_whoever_asks_again_and_again_has_not_read() -> None:
    async with serving() as here:
        _, writer = await here.open(get("/large"), receives=4096)
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        async with asyncio.timeout(TIMEOUT_SECONDS):
            while not here.connections.counters.unread:
                writer.write(get("/large"))
                await asyncio.sleep(LOOK_EVERY)
        writer.transport.abort()


@pytest.mark.parametrize("connection", ["keep-alive", "close"])
@pytest.mark.parametrize("path", ["/large", "/streamed", "/little-more"])
async def test_who_reads_nothing_is_cut(path: str, connection: str) -> None:
    async with serving() as here:
        _, writer = await here.open(get(path, connection), receives=4096)
        writer.transport.pause_reading()  # type: ignore[attr-defined]  # a write transport of TCP reads as well
        await until(lambda: here.connections.counters.unread == 1)
        await until(lambda: len(here.connections) == 0)
        assert here.connections.counters.too_slow == 0
        writer.transport.abort()


@pytest.mark.parametrize("path", ["/large", "/streamed"])
async def test_who_reads_slowly_gets_everything(path: str) -> None:
    async with serving() as here:
        loop = asyncio.get_running_loop()
        started = loop.time()
        reader, writer = await here.open(get(path, "close"), receives=4096)
        got = 0
        while piece := await asyncio.wait_for(reader.read(LARGE // 20), TIMEOUT_SECONDS):
            got += len(piece)
            await asyncio.sleep(len(piece) / LARGE * UNREAD * 4)
        assert got >= LARGE
        assert loop.time() - started > UNREAD * 4
        assert here.connections.counters.unread == 0
        writer.close()


async def test_who_has_read_may_rest() -> None:
    async with serving() as here:
        reader, writer = await here.open(get("/large"), receives=4096)
        await _answer(reader)
        await asyncio.sleep(UNREAD * 2 + LOOK_EVERY)
        writer.write(get("/large", "close"))
        await _answer(reader)
        assert await ended(reader) == b""
        assert here.connections.counters.unread == 0


async def _answer(reader: asyncio.StreamReader) -> None:
    async with asyncio.timeout(TIMEOUT_SECONDS):
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
        await reader.readexactly(LARGE)
