"""WebSocket peers that read slowly, or write faster than we want to read."""

from __future__ import annotations

import asyncio
import socket as tcp

from server.engineio import TransportLimits
from tests.server.engineio.conftest import Harnesses
from tests.server.engineio.harness import CLOSE, PING, PONG, TEXT, Harness, masked, text


async def not_reading(server: Harness) -> tcp.socket:
    """A client that shakes hands and reads nothing more."""
    client = tcp.socket()
    client.setsockopt(tcp.SOL_SOCKET, tcp.SO_RCVBUF, 4096)
    client.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(client, ("127.0.0.1", server.port))
    await loop.sock_sendall(
        client,
        b"GET /engine.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n"
        b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    )
    return client


async def test_a_slow_reader_is_cut_by_size(serve: Harnesses) -> None:
    server = await serve(limits=TransportLimits(buffered_bytes=1_000_000))
    client = await not_reading(server)
    socket = await server.socket()
    sent = 0
    while not socket.closed:
        assert socket.buffered <= 1_000_000 + 50_100  # the cap, and the message that went past it
        socket.send_text("x" * 50_000)
        sent += 1
        await asyncio.sleep(0)
    assert await server.ended() == "transport error"
    assert server.engine.counters.aborted_slow == 1
    assert sent < 200  # the kernel's buffers take a few megabytes more
    client.close()


async def test_one_answer_larger_than_the_cap_is_no_backlog(serve: Harnesses) -> None:
    server = await serve(limits=TransportLimits(buffered_bytes=10_000))
    client = await not_reading(server)
    socket = await server.socket()
    socket.send_text("x" * 8_000_000)
    assert socket.buffered > 10_000
    assert not socket.closed
    await asyncio.sleep(0)
    socket.send_text("one more, while nothing was read")
    assert await server.ended() == "transport error"
    client.close()


async def test_a_slow_reader_is_cut_by_time(serve: Harnesses) -> None:
    server = await serve(limits=TransportLimits(clogged_seconds=0.1))
    client = await not_reading(server)
    socket = await server.socket()
    while socket.buffered < 200_000:
        socket.send_text("x" * 50_000)
        await asyncio.sleep(0)
    assert await server.ended() == "transport error"
    assert server.engine.counters.aborted_slow == 1
    client.close()


async def test_a_reader_that_catches_up_stays(serve: Harnesses) -> None:
    server = await serve(limits=TransportLimits(clogged_seconds=0.3))
    websocket = await server.open_websocket()
    socket = await server.socket()
    sent = 0
    while not server.engine.transport_state.clogged:
        socket.send_text("x" * 50_000)
        sent += 1
    for _ in range(sent):
        await text(websocket)
    assert not server.engine.transport_state.clogged
    assert not socket.closed


async def test_a_peer_that_never_answers_the_close_is_cut(serve: Harnesses) -> None:
    server = await serve(limits=TransportLimits(closing_seconds=0.1))
    raw = await server.raw_websocket()
    (await server.socket()).close()
    assert await raw.frame() == (CLOSE, (1000).to_bytes(2, "big"))
    assert await raw.eof() == b""
    raw.close()


async def test_backpressure_holds_what_was_read_already(echo: Harness) -> None:
    raw = await echo.raw_websocket()
    socket = await echo.socket()
    received: list[str | bytes] = []
    two = asyncio.Event()

    def receive(_: object, data: str | bytes) -> None:
        received.append(data)
        if len(received) in (2, 4):
            socket.pause()
            two.set()

    echo.engine.on_message = receive
    raw.writer.write(b"".join(masked(TEXT, b"4%d" % n) for n in range(6)) + masked(PING, b""))
    await asyncio.wait_for(two.wait(), 5)
    assert received == ["0", "1"]
    socket.resume()
    assert received == ["0", "1", "2", "3"]
    socket.resume()
    assert received == ["0", "1", "2", "3", "4", "5"]
    assert await raw.frame() == (PONG, b"")
    raw.close()
