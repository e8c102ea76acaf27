"""Pings, pongs, and peers that answer neither."""

from __future__ import annotations

import asyncio

import pytest

from server.deadlines import Deadlines
from tests.server.engineio.conftest import Harnesses
from tests.server.engineio.harness import closing_code, text

QUICK = {"ping_interval": 0.1, "ping_timeout": 0.1}


async def test_three_rounds_over_polling(serve: Harnesses) -> None:
    server = await serve(**QUICK)
    sid = await server.open_polling()
    for _ in range(3):
        assert await server.poll(sid) == (200, "2")
        assert await server.post(sid, "3") == (200, "ok")
    assert sid in server.engine.sockets


async def test_three_rounds_over_websocket(serve: Harnesses) -> None:
    server = await serve(**QUICK)
    websocket = await server.open_websocket()
    loop = asyncio.get_running_loop()
    for _ in range(3):
        started = loop.time()
        assert await text(websocket) == "2"
        assert 0.08 < loop.time() - started < 5
        await websocket.send_str("3")
    assert server.engine.sockets


@pytest.mark.parametrize("transport", ["polling", "websocket"])
async def test_a_dead_peer_is_noticed_at_interval_plus_timeout(serve: Harnesses, transport: str) -> None:
    server = await serve(**QUICK)
    loop = asyncio.get_running_loop()
    started = loop.time()
    if transport == "polling":
        sid = await server.open_polling()
        assert await server.ended() == "ping timeout"
        assert 0.19 < loop.time() - started < 5
        assert (await server.poll(sid))[0] == 400
    else:
        websocket = await server.open_websocket()
        assert await server.ended() == "ping timeout"
        assert 0.19 < loop.time() - started < 5
        assert await closing_code(websocket) == 1000


async def test_only_a_pong_counts(serve: Harnesses) -> None:
    server = await serve(**QUICK)
    websocket = await server.open_websocket()
    await websocket.send_str("3")  # nobody asked
    assert await text(websocket) == "2"
    await websocket.send_str("4hello")
    assert await text(websocket) == "4hello"
    assert await server.ended() == "ping timeout"


async def test_pongs_work_across_an_upgrade(serve: Harnesses) -> None:
    server = await serve(ping_interval=0.1, ping_timeout=0.3)
    sid = await server.open_polling()
    websocket = await server.websocket(sid)
    await websocket.send_str("2probe")
    assert await text(websocket) == "3probe"
    await websocket.send_str("5")
    for _ in range(3):
        assert await text(websocket) == "2"
        await websocket.send_str("3")


async def test_a_paused_socket_is_not_given_up(serve: Harnesses) -> None:
    server = await serve(**QUICK)
    websocket = await server.open_websocket()
    socket = await server.socket()
    socket.pause()
    assert await text(websocket) == "2"
    await websocket.send_str("3")
    fired: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_later(0.25, fired.set_result, None)
    await fired
    assert not socket.closed
    socket.resume()
    assert await text(websocket) == "2"


async def test_deadlines_fall_due_in_order_and_once() -> None:
    due: list[int] = []
    done = asyncio.Event()

    def expire(item: int, at: float) -> None:
        due.append(item)
        if item == 0:
            done.set()

    deadlines: Deadlines[int] = Deadlines(0.02, expire)
    for item in (0, *range(1, 2000)):
        deadlines.start(item)
    assert deadlines.cancel(5)
    assert not deadlines.cancel(5)
    deadlines.start(0)
    await asyncio.wait_for(done.wait(), 5)
    assert due == [*range(1, 5), *range(6, 2000), 0]
    assert not deadlines
