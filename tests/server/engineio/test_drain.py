"""Sending everybody away."""

from __future__ import annotations

import asyncio

import pytest

from tests.server.engineio.harness import Harness, closing_code


async def test_everybody_is_told_and_nobody_new_is_let_in(echo: Harness) -> None:
    sid = await echo.open_polling()
    poll = asyncio.create_task(echo.poll(sid))
    await echo.poll_open(await echo.socket())
    websockets = [await echo.open_websocket() for _ in range(4)]
    codes = asyncio.gather(*(closing_code(websocket) for websocket in websockets))
    await asyncio.wait_for(echo.engine.drain(2), 1.5)
    assert await poll == (200, "6")
    assert await codes == [1001] * 4
    assert not echo.engine.sockets
    assert (await echo.get("EIO=4&transport=polling"))[0] == 503
    assert [await echo.ended() for _ in range(5)] == ["server disconnect"] * 5


async def test_last_packets_to_those_who_poll_are_waited_for(echo: Harness) -> None:
    sid = await echo.open_polling()
    (await echo.socket()).send_text("said")
    draining = asyncio.create_task(echo.engine.drain(5))
    await echo.ended()
    await asyncio.sleep(0)
    assert not draining.done()
    status, body = await echo.poll(sid)
    assert (status, body.split("\x1e")) == (200, ["4said", "6"])
    await asyncio.wait_for(draining, 3)


async def test_the_deadline_holds_for_those_who_do_not_answer(echo: Harness) -> None:
    raws = [await echo.raw_websocket() for _ in range(20)]
    loop = asyncio.get_running_loop()
    started = loop.time()
    await echo.engine.drain(0.3)
    assert 0.25 < loop.time() - started < 5
    for raw in raws:
        assert await raw.eof() == b"\x88\x02\x03\xe9"
        raw.close()


async def test_sockets_leave_one_after_the_other(echo: Harness) -> None:
    loop = asyncio.get_running_loop()
    times: list[float] = []
    echo.engine.on_close = lambda socket, reason: times.append(loop.time())
    for _ in range(60):
        await echo.open_polling()
    await echo.engine.drain(0.5)
    assert len(times) == 60
    assert 0.15 < times[-1] - times[0] < 5


@pytest.mark.parametrize("deadline", [0.0, 1.0])
async def test_with_nobody_there_it_ends_at_once(echo: Harness, deadline: float) -> None:
    await asyncio.wait_for(echo.engine.drain(deadline), 0.9)
