"""From polling to a WebSocket."""

from __future__ import annotations

import asyncio

import pytest

from server.engineio import TransportLimits
from tests.harness.waiting import until
from tests.server.engineio.conftest import Harnesses
from tests.server.engineio.harness import Harness, closing_code, text


async def test_an_upgrade(echo: Harness) -> None:
    sid = await echo.open_polling()
    socket = await echo.socket()
    poll = asyncio.create_task(echo.poll(sid))
    await echo.poll_open(socket)
    websocket = await echo.websocket(sid)
    await websocket.send_str("2probe")
    assert await text(websocket) == "3probe"
    assert await poll == (200, "6")
    assert await echo.poll(sid) == (200, "6")
    # The client may not know of it: polls serve it as before.
    socket.send_text("said")
    assert await echo.post(sid, "4posted") == (200, "ok")
    assert await echo.poll(sid) == (200, "4said\x1e4posted")
    socket.send_text("waited")
    await websocket.send_str("5")
    assert await text(websocket) == "4waited"
    await websocket.send_str("4hello")
    assert await text(websocket) == "4hello"
    assert socket.transport_name == "websocket"
    assert (await echo.poll(sid))[0] == 400
    assert (await echo.post(sid, "4x"))[0] == 400
    assert echo.engine.counters.upgrades == 1


async def test_a_poll_still_open_at_the_move_is_released(echo: Harness) -> None:
    sid = await echo.open_polling()
    websocket = await echo.websocket(sid)
    await websocket.send_str("2probe")
    await websocket.send_str("5")
    await websocket.send_str("4hello")
    assert await text(websocket) == "3probe"
    assert await text(websocket) == "4hello"
    assert (await echo.poll(sid))[0] == 400


async def test_a_second_websocket_is_closed_and_the_first_goes_on(echo: Harness) -> None:
    sid = await echo.open_polling()
    first = await echo.websocket(sid)
    await first.send_str("2probe")
    during = await echo.websocket(sid)
    assert await closing_code(during) is not None
    await first.send_str("5")
    await first.send_str("4one")
    assert [await text(first), await text(first)] == ["3probe", "4one"]
    after = await echo.websocket(sid)
    assert await closing_code(after) is not None
    await first.send_str("4two")
    assert await text(first) == "4two"


@pytest.mark.parametrize("words", [["2"], ["5"], ["4hello"], ["2probe", "2probe"], ["2probe", "4x"], [""]])
async def test_a_probe_that_says_anything_else_fails(echo: Harness, words: list[str]) -> None:
    sid = await echo.open_polling()
    socket = await echo.socket()
    websocket = await echo.websocket(sid)
    for word in words:
        await websocket.send_str(word)
    assert await closing_code(websocket) is not None
    socket.send_text("still here")
    assert await echo.poll(sid) == (200, "4still here")
    assert echo.received == []
    assert echo.engine.counters.failed_upgrades == 1


@pytest.mark.parametrize("probed", [False, True])
async def test_a_probe_that_breaks_off_leaves_polling_working(echo: Harness, probed: bool) -> None:
    sid = await echo.open_polling()
    socket = await echo.socket()
    websocket = await echo.websocket(sid)
    if probed:
        await websocket.send_str("2probe")
        await text(websocket)
        socket.send_text("kept")
    await websocket.close()
    await until(lambda: socket.probe is None)
    socket.send_text("more")
    assert (await echo.poll(sid))[1] == ("4kept\x1e4more" if probed else "4more")
    again = await echo.websocket(sid)
    await again.send_str("2probe")
    assert await text(again) == "3probe"


async def test_a_probe_that_takes_too_long_fails(serve: Harnesses) -> None:
    server = await serve(limits=TransportLimits(probe_seconds=0.1))
    sid = await server.open_polling()
    websocket = await server.websocket(sid)
    await websocket.send_str("2probe")
    assert await text(websocket) == "3probe"
    assert await closing_code(websocket) == 1000
    await server.post(sid, "4on")
    assert await server.poll(sid) == (200, "4on")


async def test_the_end_of_a_session_ends_its_probe(echo: Harness) -> None:
    sid = await echo.open_polling()
    websocket = await echo.websocket(sid)
    await websocket.send_str("2probe")
    await text(websocket)
    await echo.post(sid, "1")
    assert await closing_code(websocket) == 1000
    assert echo.engine.counters.failed_upgrades == 0


async def test_upgrades_can_be_switched_off(serve: Harnesses) -> None:
    server = await serve(allow_upgrades=False)
    assert '"upgrades":[]' in (await server.get("EIO=4&transport=polling"))[1]
    websocket = await server.websocket((await server.socket()).sid)
    assert await closing_code(websocket) is not None


async def test_a_poll_opened_while_an_upgrade_is_pending_is_answered_at_once(echo: Harness) -> None:
    sid = await echo.open_polling()
    socket = await echo.socket()
    websocket = await echo.websocket(sid)
    await websocket.send_str("2probe")
    assert await text(websocket) == "3probe"
    poll = asyncio.create_task(echo.poll(sid))
    await echo.poll_open(socket)
    socket.send_text("now")
    assert await poll == (200, "4now")
    # The attempt fails while a poll is open: it is no longer paced.
    poll = asyncio.create_task(echo.poll(sid))
    await echo.poll_open(socket)
    await websocket.close()
    await until(lambda: socket.probe is None)
    done, _ = await asyncio.wait([poll], timeout=0.3)
    assert not done
    socket.send_text("later")
    assert await poll == (200, "4later")


async def poll_on(server: Harness, sid: str, received: list[str], probed: asyncio.Event) -> None:
    """As the JavaScript client: its last poll is the one that is open when the probe is answered."""
    while not probed.is_set():
        packets = (await server.poll(sid))[1].split("\x1e")
        received.extend(packet for packet in packets if packet != "6")


async def test_nothing_is_lost_or_doubled_under_load(echo: Harness) -> None:
    total = 2000
    for pause in (1, 7, 40):
        sid = await echo.open_polling()
        socket = await echo.socket()

        async def send(pause: int = pause, socket: object = socket) -> None:
            for n in range(total):
                socket.send_text(str(n))  # type: ignore[attr-defined]
                if n % pause == 0:
                    await asyncio.sleep(0)

        received: list[str] = []
        probed = asyncio.Event()
        polling = asyncio.create_task(poll_on(echo, sid, received, probed))
        sending = asyncio.create_task(send())
        websocket = await echo.websocket(sid)
        await websocket.send_str("2probe")
        assert await text(websocket) == "3probe"
        probed.set()
        await polling  # a client moves only when its last poll has returned
        await websocket.send_str("5")
        while len(received) < total:
            received.append(await text(websocket))
        await sending
        assert received == [f"4{n}" for n in range(total)]
        socket.close()
