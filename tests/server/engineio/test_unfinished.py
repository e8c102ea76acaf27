"""Messages that never become whole cost a node a bounded sum, whoever sends them, and a quiet socket nothing."""

from __future__ import annotations

import asyncio
import tracemalloc
from contextlib import suppress

import pytest
from aiohttp import WebSocketError

from server.engineio import EngineSocket, TransportLimits
from server.engineio.frame_walk import FrameWalk
from tests.harness.waiting import until
from tests.server.engineio.conftest import Harnesses
from tests.server.engineio.harness import (
    BINARY,
    CLOSE,
    MORE,
    PING,
    REQUEST_WEIGHT,
    TEXT,
    Harness,
    Raw,
    closing_code,
    masked,
    text,
)

POST = "POST /engine.io/?EIO=4&transport=polling&sid="
# Of a close frame: the code, and a reason that programs can read.
TOO_LARGE = (1009).to_bytes(2, "big") + b"payload_too_large"
SMALL = TransportLimits(unconnected_bytes=2000, unfinished_bytes=100_000)


def begin(raw: Raw, size: int, announced: int = 900_000) -> None:
    """The beginning of a message."""
    raw.writer.write(masked(TEXT, b"4" + b"x" * (announced - 1))[: size + 14])


async def begin_post(server: Harness, sid: str, size: int, announced: int) -> Raw:
    return await server.raw(f"{POST}{sid} HTTP/1.1\nHost: a\nContent-Length: {announced}", b"4".ljust(size, b"x"))


async def restricted(server: Harness) -> tuple[Raw, EngineSocket]:
    raw = await server.raw_websocket()
    socket = await server.socket()
    socket.restrict()
    return raw, socket


@pytest.mark.parametrize("pieces", [1, 3, 40])
async def test_a_restricted_websocket_sends_little(serve: Harnesses, pieces: int) -> None:
    server = await serve(limits=SMALL)
    raw, _ = await restricted(server)
    for extra in (0, 1):
        payload = b"4" + b"x" * (1999 + extra)
        size = -(-len(payload) // pieces)
        parts = [payload[at : at + size] for at in range(0, len(payload), size)]
        for n, part in enumerate(parts):
            raw.send(MORE if n else TEXT, part, fin=n == len(parts) - 1)
            await raw.writer.drain()
            await asyncio.sleep(0)  # each may come alone
        if not extra:
            assert await raw.frame() == (TEXT, payload)
    assert await raw.frame() == (CLOSE, TOO_LARGE)
    assert await server.ended() == "transport error"
    raw.close()


@pytest.mark.parametrize("kind", [PING, TEXT, MORE], ids=["pings", "packets", "fragments of nothing"])
async def test_a_restricted_websocket_sends_few_frames_at_once(serve: Harnesses, kind: int) -> None:
    """Twenty of them with as many tiny ones as a read takes would keep the event loop for seconds."""
    server = await serve(limits=SMALL)
    raw, _ = await restricted(server)
    begun = masked(TEXT, b"4", fin=False) if kind == MORE else b""
    frame = masked(kind, b"" if kind == MORE else b"6", fin=kind != MORE)
    raw.writer.write(begun + frame * (SMALL.unconnected_frames + 1))
    opcode, payload = await raw.frame()
    while opcode != CLOSE:
        opcode, payload = await raw.frame()
    assert payload[:2] == (1008).to_bytes(2, "big")
    assert await server.ended() == "transport error"
    raw.close()


async def test_who_is_connected_sends_no_flood_of_tiny_frames(serve: Harnesses) -> None:
    server = await serve(limits=TransportLimits(frames_a_read=300))
    raw = await server.raw_websocket()
    raw.writer.write(masked(PING, b"") * 301)
    opcode, payload = await raw.frame()
    while opcode != CLOSE:
        opcode, payload = await raw.frame()
    assert payload[:2] == (1008).to_bytes(2, "big")
    raw.close()


async def test_a_large_message_is_refused_at_its_head(serve: Harnesses) -> None:
    server = await serve(limits=SMALL)
    raw, _ = await restricted(server)
    begin(raw, 10)
    assert await raw.frame() == (CLOSE, TOO_LARGE)
    assert server.engine.transport_state.connected.unfinished.total == 0
    raw.close()


async def test_a_restricted_post_is_little(serve: Harnesses) -> None:
    server = await serve(limits=SMALL)
    sid = await server.open_polling()
    (await server.socket()).restrict()
    assert (await server.post(sid, "4" + "x" * 1999))[0] == 200
    assert (await server.post(sid, "4" + "x" * 2000))[0] == 413
    assert await server.ended() == "transport error"


async def test_what_is_restricted_and_unrestricted_while_it_lives(serve: Harnesses) -> None:
    server = await serve(limits=SMALL)
    raw, socket = await restricted(server)
    large = b"4" + b"x" * 50_000
    socket.restrict(False)
    raw.send(TEXT, large)
    assert await raw.frame() == (TEXT, large)
    begin(raw, 5000)
    await until(lambda: server.engine.transport_state.connected.unfinished.total == 5000)
    socket.restrict()
    raw.writer.write(b"x")
    assert await raw.frame() == (CLOSE, TOO_LARGE)
    raw.close()


@pytest.mark.parametrize("connected", [True, False])
async def test_an_upgrade_has_the_limit_of_its_session(serve: Harnesses, connected: bool) -> None:
    server = await serve(limits=SMALL)
    sid = await server.open_polling()
    socket = await server.socket()
    socket.restrict()
    websocket = await server.websocket(sid)
    await websocket.send_str("2probe")
    assert await text(websocket) == "3probe"
    if connected:
        socket.restrict(False)
    await websocket.send_str("5")
    await websocket.send_str("4" + "x" * 50_000)
    if connected:
        assert await text(websocket) == "4" + "x" * 50_000
    else:
        # Whether it came in one piece with the "5" before it or not.
        assert await closing_code(websocket) == 1009
    await websocket.close()


async def test_beyond_the_cap_the_largest_is_cut(serve: Harnesses) -> None:
    server = await serve(limits=SMALL)
    unfinished = server.engine.transport_state.connected.unfinished
    raws = [await server.raw_websocket() for _ in range(3)]
    quiet = await server.raw_websocket()
    sockets = [await server.socket() for _ in range(4)]
    for raw, size in zip(raws, (20_000, 50_000, 13_000), strict=True):
        before = unfinished.total
        begin(raw, size)
        await until(lambda before=before, size=size: unfinished.total == before + size)  # type: ignore[misc]
    sid = await server.open_polling()
    post = await begin_post(server, sid, 1000, 40_000)
    await until(lambda: unfinished.total == 100_000)
    post.writer.write(b"x")
    assert await server.ended() == "transport error"
    assert [socket.closed for socket in sockets] == [False, True, False, False]
    assert (unfinished.total, len(unfinished)) == (50_001, 3)
    assert server.engine.counters.aborted_unfinished == 1
    quiet.send(TEXT, b"4hello")
    assert await quiet.frame() == (TEXT, b"4hello")
    raws[0].writer.write(masked(TEXT, b"4" + b"x" * 899_999)[20_014:])  # too much as well
    await raws[0].eof()
    post.writer.write(b"x" * (40_000 - 1001))
    assert await post.response() == (200, b"ok")
    raws[2].close()
    await until(lambda: unfinished.total == 0)
    assert len(unfinished) == 0
    for raw in (*raws, quiet, post):
        raw.close()


async def test_restricted_sockets_have_a_cap_of_their_own(serve: Harnesses) -> None:
    server = await serve(limits=TransportLimits(unconnected_bytes=2000, unconnected_unfinished_bytes=4000))
    state = server.engine.transport_state
    somebody = await server.raw_websocket()
    await server.socket()
    begin(somebody, 3000)
    await until(lambda: state.connected.unfinished.total == 3000)
    nobody = [(await restricted(server))[0] for _ in range(3)]
    for raw, size in zip(nobody, (1100, 1900, 900), strict=True):
        before = state.unconnected.unfinished.total
        raw.writer.write(masked(TEXT, bytes(2000))[: size + 8])
        await until(lambda held=before + size: state.unconnected.unfinished.total == held)  # type: ignore[misc]
    nobody[0].writer.write(b"x" * 101)
    assert await server.ended() == "transport error"
    assert await nobody[1].eof() == b""
    assert (state.unconnected.unfinished.total, state.connected.unfinished.total) == (2101, 3000)
    # Who is admitted meanwhile is counted among the others.
    for socket in tuple(server.engine.sockets.values()):
        socket.restrict(False)
    assert (state.unconnected.unfinished.total, state.connected.unfinished.total) == (0, 5101)
    for raw in (somebody, *nobody):
        raw.close()


async def test_little_waits_for_a_restricted_socket(serve: Harnesses) -> None:
    server = await serve(limits=TransportLimits(unconnected_unread_bytes=2000))
    sid = await server.open_polling()
    poller = await server.socket()
    poller.restrict()
    for _ in range(7):
        poller.send_text("x" * 100)
    assert not poller.closed
    poller.send_text("x" * 100)
    assert await server.ended() == "transport error"
    assert (await server.poll(sid))[0] == 400
    raw, socket = await restricted(server)
    raw.writer.transport.pause_reading()  # type: ignore[attr-defined]
    while not socket.closed:  # what the kernel takes is not ours
        socket.send_text("x" * 10_000)
        waiting = socket.buffered
        assert waiting <= 45_000  # with what is gathered for the next write
        await asyncio.sleep(0)
    assert await server.ended() == "transport error"
    assert server.engine.counters.aborted_slow == 2
    raw.close()


async def test_a_failed_websocket_ends_with_its_peer(serve: Harnesses) -> None:
    """What the peer still sends is not read any more, so its answer to the close is not seen."""
    server = await serve(limits=TransportLimits(closing_seconds=3600.0))
    raw = await server.raw_websocket()
    raw.send(TEXT, b"4" + b"x" * 1_000_001)
    assert await raw.frame() == (CLOSE, TOO_LARGE)
    assert await raw.eof() == b""
    raw.send(CLOSE, TOO_LARGE)
    raw.close()
    closing = server.engine.transport_state.closing
    await until(lambda: len(closing) == 0)


async def test_the_largest_body_of_a_post_is_cut(serve: Harnesses) -> None:
    server = await serve(limits=SMALL)
    unfinished = server.engine.transport_state.connected.unfinished
    kept = await begin_post(server, await server.open_polling(), 20_000, 25_000)
    await until(lambda: unfinished.total == 20_000 + REQUEST_WEIGHT)
    cut = await begin_post(server, await server.open_polling(), 56_000, 900_000)
    assert await server.ended() == "transport error"
    assert await cut.eof() == b""
    kept.writer.write(b"x" * 5000)
    assert await kept.response() == (200, b"ok")
    assert (unfinished.total, len(unfinished)) == (0, 0)
    assert server.engine.counters.aborted_unfinished == 1
    kept.close()
    cut.close()


async def test_a_body_is_cut_whatever_its_sender_has_not_fetched(serve: Harnesses) -> None:
    """A session that is closed waits for its client to fetch the rest; one that is cut does not."""
    server = await serve(limits=SMALL)
    post = await begin_post(server, await server.open_polling(), 56_000, 900_000)
    socket = await server.socket()
    await until(lambda: len(server.engine.transport_state.connected.unfinished) == 1)
    socket.send_text("never fetched")
    socket.abort()
    assert await post.eof() == b""
    assert server.engine.transport_state.connected.unfinished.total == 0


async def test_what_ends_holds_nothing(echo: Harness) -> None:
    unfinished = echo.engine.transport_state.connected.unfinished
    raw = await echo.raw_websocket()
    begin(raw, 5000)
    post = await begin_post(echo, await echo.open_polling(), 700, 900)
    await until(lambda: unfinished.total == 5700 + REQUEST_WEIGHT)
    raw.close()
    post.close()
    await until(lambda: unfinished.total == 0)
    with suppress(ConnectionError):
        await raw.writer.wait_closed()


def test_control_frames_between_fragments_count_for_nothing() -> None:
    walk = FrameWalk(100)
    for opcode, size, fin, held in [
        (BINARY, 60, False, 60),
        (PING, 100, True, 60),
        (MORE, 0, False, 60),
        (MORE, 40, True, 0),
        (TEXT, 100, False, 100),
        (MORE, 0, True, 0),
        (TEXT, 100, True, 0),
    ]:
        wire = masked(opcode, bytes(size), fin=fin)
        assert walk.is_whole(wire) or walk.follow(wire) == wire
        assert walk.held == held
    assert walk.follow(masked(TEXT, bytes(100), fin=False))
    with pytest.raises(WebSocketError) as error:
        walk.follow(masked(MORE, bytes(1)))
    assert error.value.code == 1009


def test_tiny_reads_cost_what_they_hold() -> None:
    walk = FrameWalk(1_000_000)
    wire = masked(TEXT, bytes(40_000))
    tracemalloc.start()
    try:
        for at in range(0, len(wire) - 2, 2):  # the head as well
            assert walk.follow(wire[at : at + 2]) == b""
        assert tracemalloc.get_traced_memory()[0] < 60_000
    finally:
        tracemalloc.stop()
    assert walk.follow(wire[-2:]) == wire


def test_no_control_frame_is_large() -> None:
    with pytest.raises(WebSocketError) as error:
        FrameWalk(1000).follow(masked(PING, bytes(126))[:2])
    assert error.value.code == 1002
