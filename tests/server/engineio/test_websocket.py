"""The WebSocket transport."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest
from websockets.asyncio.client import connect

from server.engineio.websocket import GATHERED_BYTES
from server.protocol import frames
from tests.harness.waiting import until
from tests.server.engineio.conftest import Harnesses
from tests.server.engineio.harness import BINARY, CLOSE, MORE, PING, PONG, TEXT, Harness, closing_code, masked, text


@pytest.mark.parametrize("size", [0, 1, 123, 124, 125, 126, 127, 65533, 65534, 65535, 65536, 100_000])
async def test_text_and_binary_of_any_size_come_back(echo: Harness, size: int) -> None:
    websocket = await echo.open_websocket()
    await websocket.send_str("4" + "x" * size)
    assert await text(websocket) == "4" + "x" * size
    await websocket.send_bytes(b"\x00" * size)
    assert await websocket.receive_bytes(timeout=5) == b"\x00" * size
    assert (await echo.socket()).transport_name == "websocket"


async def test_another_client_library_agrees(echo: Harness) -> None:
    async with connect(f"ws://127.0.0.1:{echo.port}/engine.io/?EIO=4&transport=websocket") as websocket:
        assert websocket.protocol.extensions == []  # permessage-deflate was offered
        assert str(await websocket.recv()).startswith("0{")
        await websocket.send("4é😀")
        assert await websocket.recv() == "4é😀"
        await (await websocket.ping(b"alive"))
        await websocket.close(1000)
    assert websocket.close_code == 1000
    assert await echo.ended() == "transport close"


@pytest.mark.parametrize("packet", ["abc", "", "2", "2probe", "5", "0{}", "7", "bAQID"])
async def test_an_invalid_packet_closes(echo: Harness, packet: str) -> None:
    websocket = await echo.open_websocket()
    await websocket.send_str(packet)
    assert await closing_code(websocket) == 1002
    assert await echo.ended() == "transport error"
    assert echo.engine.counters.bad_packets == 1
    assert not echo.engine.sockets


async def test_the_client_closes_with_a_packet(echo: Harness) -> None:
    websocket = await echo.open_websocket()
    await websocket.send_str("1")
    assert await closing_code(websocket) == 1000
    assert await echo.ended() == "client disconnect"


async def test_the_server_closes_after_what_it_sent(echo: Harness) -> None:
    websocket = await echo.open_websocket()
    socket = await echo.socket()
    socket.send_text("last")
    socket.close(code=1008)
    socket.send_text("too late")
    assert await text(websocket) == "4last"
    assert await closing_code(websocket) == 1008
    assert (socket.closed, socket.transport_name, socket.buffered) == (True, "", 0)


class CountedWrites:
    """A connection whose writes are counted."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self.writes: list[bytes] = []

    def write(self, wire: bytes) -> None:
        self.writes.append(bytes(wire))
        self._connection.write(wire)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


def counted(socket: Any) -> CountedWrites:
    socket.transport._transport = counting = CountedWrites(socket.transport._transport)
    return counting


async def test_an_event_and_the_answer_that_its_receipt_gives_are_one_write(echo: Harness) -> None:
    websocket = await echo.open_websocket()
    socket = await echo.socket()
    connection = counted(socket)
    socket.send_text("event")
    asyncio.get_running_loop().call_soon(socket.send_text, "answer")
    assert connection.writes == []
    assert [await text(websocket), await text(websocket)] == ["4event", "4answer"]
    assert len(connection.writes) == 1


async def test_large_messages_of_one_iteration_are_not_copied_together(echo: Harness) -> None:
    websocket = await echo.open_websocket()
    socket = await echo.socket()
    connection = counted(socket)
    large = ["x" * (GATHERED_BYTES + n) for n in range(3)]
    for payload in large:
        socket.send_text(payload)
    assert socket.buffered > len(large[-1])
    assert [await text(websocket) for _ in large] == ["4" + payload for payload in large]
    assert [len(wire) > GATHERED_BYTES for wire in connection.writes] == [True] * 3


async def test_what_was_gathered_is_dropped_with_an_aborted_connection(echo: Harness) -> None:
    websocket = await echo.open_websocket()
    socket = await echo.socket()
    connection = counted(socket)
    socket.send_text("too late")
    socket.abort()
    assert await echo.ended() == "transport error"
    assert connection.writes == []
    # Kept until here: uvloop closes a connection that nobody has.
    await websocket.close()


async def test_masks_and_fragments(echo: Harness) -> None:
    raw = await echo.raw_websocket()
    raw.send(TEXT, b"4hel", fin=False, mask=b"\xff\x00\x80\x7f")
    raw.send(PING, b"between")
    raw.send(MORE, b"lo ", fin=False)
    raw.send(MORE, "é".encode(), mask=bytes(4))
    assert await raw.frame() == (PONG, b"between")
    assert await raw.frame() == (TEXT, "4hello é".encode())
    raw.close()


async def test_frames_split_at_any_byte(echo: Harness) -> None:
    raw = await echo.raw_websocket()
    for byte in masked(TEXT, b"4" + b"x" * 200) + masked(BINARY, b"\x01"):
        raw.writer.write(bytes((byte,)))
        await raw.writer.drain()
    assert await raw.frame() == (TEXT, b"4" + b"x" * 200)
    assert await raw.frame() == (BINARY, b"\x01")
    raw.close()


async def test_many_messages_in_one_segment(echo: Harness) -> None:
    raw = await echo.raw_websocket()
    raw.writer.write(b"".join(masked(TEXT, b"4%d" % n) for n in range(500)))
    assert [await raw.frame() for _ in range(500)] == [(TEXT, b"4%d" % n) for n in range(500)]
    raw.close()


async def test_the_close_handshake_echoes_the_code(echo: Harness) -> None:
    raw = await echo.raw_websocket()
    raw.send(CLOSE, (4321).to_bytes(2, "big"))
    assert await raw.frame() == (CLOSE, (4321).to_bytes(2, "big"))
    assert await raw.eof() == b""
    assert await echo.ended() == "transport close"


async def test_a_connection_that_ends_without_a_close_frame(echo: Harness) -> None:
    raw = await echo.raw_websocket()
    raw.close()
    assert await echo.ended() == "transport close"
    assert not echo.engine.sockets


@pytest.mark.parametrize(
    ("wire", "code"),
    [
        (masked(3, b""), 1002),  # an opcode that does not exist
        (masked(PING, b"x" * 126), 1002),
        (masked(MORE, b"4x"), 1002),
        (masked(TEXT, b"4", fin=False) + masked(TEXT, b"4"), 1002),
        (bytes((0xC1, 0x80, 0, 0, 0, 0)), 1002),  # compressed, which nobody agreed on
        (masked(TEXT, b"4\xff\xfe"), 1007),
        (masked(CLOSE, b"\x03"), 1002),
    ],
)
async def test_what_is_no_websocket_closes(echo: Harness, wire: bytes, code: int) -> None:
    raw = await echo.raw_websocket()
    raw.writer.write(wire)
    assert await raw.frame() == (CLOSE, code.to_bytes(2, "big"))
    assert await echo.ended() == "transport error"
    raw.close()


@pytest.mark.parametrize("pieces", [1, 3])
async def test_what_was_announced_is_enforced(serve: Harnesses, pieces: int) -> None:
    server = await serve(max_http_buffer_size=3000)
    raw = await server.raw_websocket()
    for extra in (0, 1):
        payload = b"4" + b"x" * (2999 + extra)
        size = -(-len(payload) // pieces)
        parts = [payload[at : at + size] for at in range(0, len(payload), size)]
        for n, part in enumerate(parts):
            raw.send(MORE if n else TEXT, part, fin=n == len(parts) - 1)
        if not extra:
            assert await raw.frame() == (TEXT, payload)
    assert await raw.frame() == (CLOSE, (1009).to_bytes(2, "big") + b"payload_too_large")
    assert await server.ended() == "transport error"
    raw.close()


async def test_a_frame_is_encoded_once_for_both_transports(echo: Harness) -> None:
    websocket = await echo.open_websocket()
    sid = await echo.open_polling()
    for frame in (frames.text(b"all"), frames.text(b"x" * 70_000), frames.binary(b"\x01\x02")):
        for socket in echo.engine.sockets.values():
            socket.send_frame(frame)
    assert await text(websocket) == "4all"
    assert await text(websocket) == "4" + "x" * 70_000
    assert await websocket.receive_bytes(timeout=5) == b"\x01\x02"
    assert (await echo.poll(sid))[1] == "4all\x1e4" + "x" * 70_000 + "\x1ebAQI="


async def test_a_handler_that_fails_costs_its_socket_only(echo: Harness, caplog: pytest.LogCaptureFixture) -> None:
    websocket = await echo.open_websocket()

    def fail(_: object, data: str | bytes) -> None:
        raise ValueError(data)

    echo.engine.on_message = fail
    await websocket.send_str("4my secret")
    assert await closing_code(websocket) == 1011
    assert echo.engine.counters.failed_handlers == 1
    assert "ValueError" in caplog.text
    assert "secret" not in caplog.text


async def test_nothing_of_the_request_outlives_the_handshake(echo: Harness) -> None:
    before = len(asyncio.all_tasks())
    websockets = [await echo.open_websocket() for _ in range(5)]
    # aiohttp's task of the last request ends an iteration or two after its answer.
    await until(lambda: len(asyncio.all_tasks()) <= before)
    assert len(echo.engine.sockets) == 5
    for websocket in websockets:
        await websocket.close()
    for _ in websockets:
        assert await echo.ended() == "transport close"
    assert not echo.engine.sockets
    assert not len(echo.engine.heartbeat)


async def test_a_message_right_behind_the_request(echo: Harness) -> None:
    raw = await echo.raw(
        "GET /engine.io/?EIO=4&transport=websocket HTTP/1.1\nHost: a\nUpgrade: websocket\nConnection: Upgrade\n"
        "Sec-WebSocket-Version: 13\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        masked(TEXT, b"4eager") + masked(TEXT, b"4again"),
    )
    await raw.head()
    assert (await raw.frame())[1].startswith(b"0{")
    assert await raw.frame() == (TEXT, b"4eager")
    assert await raw.frame() == (TEXT, b"4again")
    raw.close()


async def test_counters(echo: Harness) -> None:
    websocket = await echo.open_websocket()
    await websocket.send_str("4hello")
    await text(websocket)
    await websocket.close()
    await echo.ended()
    counters = echo.engine.counters
    assert (counters.handshakes, counters.messages_in, counters.messages_out) == (1, 1, 1)
    assert dict(counters.closes) == {"transport close": 1}


async def test_compression_is_never_negotiated(echo: Harness) -> None:
    websocket = await echo.open_websocket(compress=15)
    assert not websocket.compress
    assert isinstance(websocket, aiohttp.ClientWebSocketResponse)
