"""What polling clients fetch."""

from __future__ import annotations

import asyncio
from base64 import b64encode

import pytest

from server.engineio import TransportLimits
from tests.harness.waiting import until
from tests.server.engineio.conftest import Harnesses
from tests.server.engineio.harness import Harness, closing_code, text

SEP = "\x1e"


@pytest.mark.parametrize("body", ["4hello", SEP.join(f"4m{n}" for n in range(3)), f"4hello{SEP}bAQIDBA==", "4é😀", "4"])
async def test_messages_come_back(echo: Harness, body: str) -> None:
    sid = await echo.open_polling()
    assert await echo.post(sid, body) == (200, "ok")
    assert await echo.poll(sid) == (200, body)


async def test_answers_are_plain_text_and_never_compressed(echo: Harness) -> None:
    sid = await echo.open_polling()
    await echo.post(sid, "4" + "a" * 50_000)
    address = echo.url(f"EIO=4&transport=polling&sid={sid}")
    async with echo.http.get(address, headers={"Accept-Encoding": "gzip, deflate"}) as response:
        assert response.headers["Content-Type"] == "text/plain; charset=UTF-8"
        assert "Content-Encoding" not in response.headers
        assert len(await response.text()) == 50_001


async def test_an_open_poll_is_answered_when_there_is_something_to_say(echo: Harness) -> None:
    sid = await echo.open_polling()
    socket = await echo.socket()
    poll = asyncio.create_task(echo.poll(sid))
    await echo.poll_open(socket)
    for n in range(3):
        socket.send_text(str(n))
    socket.send_binary(b"\x00\xff")
    assert await poll == (200, f"40{SEP}41{SEP}42{SEP}b{b64encode(bytes((0, 255))).decode()}")


async def test_a_response_stays_within_max_payload(serve: Harnesses) -> None:
    server = await serve(max_http_buffer_size=1000)
    sid = await server.open_polling()
    socket = await server.socket()
    sent = ["x" * 400] * 5 + ["y" * 2000, "z"]
    for packet in sent:
        socket.send_text(packet)
    got: list[str] = []
    while len(got) < len(sent):
        body = (await server.poll(sid))[1]
        packets = body.split(SEP)
        assert len(body) <= 1000 or len(packets) == 1
        got.extend(packet[1:] for packet in packets)
    assert got == sent
    assert socket.buffered == 0


async def test_a_second_poll_ends_the_session(echo: Harness) -> None:
    sid = await echo.open_polling()
    socket = await echo.socket()
    first = asyncio.create_task(echo.poll(sid))
    await echo.poll_open(socket)
    assert (await echo.poll(sid))[0] == 400
    assert await first == (200, "1")
    assert await echo.ended() == "transport error"
    assert (await echo.poll(sid))[0] == 400


async def test_a_poll_broken_off_ends_the_session(echo: Harness) -> None:
    sid = await echo.open_polling()
    socket = await echo.socket()
    raw = await echo.raw(f"GET /engine.io/?EIO=4&transport=polling&sid={sid} HTTP/1.1\nHost: a")
    await echo.poll_open(socket)
    raw.close()
    assert await echo.ended() == "transport close"
    assert (await echo.poll(sid))[0] == 400


async def test_one_connection_serves_poll_after_poll(echo: Harness) -> None:
    sid = await echo.open_polling()
    socket = await echo.socket()
    raw = await echo.raw()
    for n in range(3):
        raw.writer.write(f"GET /engine.io/?EIO=4&transport=polling&sid={sid} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        await echo.poll_open(socket)
        socket.send_text(str(n))
        assert await raw.response() == (200, f"4{n}".encode())
    raw.close()


async def test_the_client_closes(echo: Harness) -> None:
    sid = await echo.open_polling()
    poll = asyncio.create_task(echo.poll(sid))
    await echo.poll_open(await echo.socket())
    assert await echo.post(sid, "1") == (200, "ok")
    assert await poll == (200, "6")
    assert await echo.ended() == "client disconnect"
    assert (await echo.poll(sid))[0] == 400


async def test_last_packets_reach_a_client_between_two_polls(echo: Harness) -> None:
    sid = await echo.open_polling()
    socket = await echo.socket()
    socket.send_text("revoked")
    socket.close()
    assert await echo.ended() == "server disconnect"
    # Apart: the JavaScript client forgets what comes with a close.
    assert await echo.poll(sid) == (200, "4revoked")
    assert await echo.poll(sid) == (200, "1")
    assert (await echo.poll(sid))[0] == 400


async def test_last_packets_are_kept_for_a_while(serve: Harnesses) -> None:
    server = await serve(limits=TransportLimits(closing_poll_seconds=0.1))
    sid = await server.open_polling()
    socket = await server.socket()
    socket.send_text("revoked")
    socket.close()
    await until(lambda: sid not in server.engine.closing_polls)
    assert (await server.poll(sid))[0] == 400


async def test_a_post_in_the_middle_of_its_body_does_not_break_off_before_the_last_packets(echo: Harness) -> None:
    sid = await echo.open_polling()
    socket = await echo.socket()
    head = f"POST /engine.io/?EIO=4&transport=polling&sid={sid} HTTP/1.1\nHost: a\nContent-Length: 6"
    post = await echo.raw(head, b"4hel")
    await until(lambda: getattr(socket.transport, "reading", None) is not None)
    socket.send_text("revoked")
    socket.close()
    assert await echo.poll(sid) == (200, "4revoked")
    post.writer.write(b"lo")
    assert await post.response() == (200, b"ok")
    assert echo.received == []
    assert await echo.poll(sid) == (200, "1")
    post.close()


async def test_a_post_that_is_never_finished_ends_with_the_last_packets(echo: Harness) -> None:
    sid = await echo.open_polling()
    socket = await echo.socket()
    head = f"POST /engine.io/?EIO=4&transport=polling&sid={sid} HTTP/1.1\nHost: a\nContent-Length: 6"
    post = await echo.raw(head, b"4hel")
    await until(lambda: getattr(socket.transport, "reading", None) is not None)
    socket.send_text("revoked")
    socket.close()
    assert [await echo.poll(sid), await echo.poll(sid)] == [(200, "4revoked"), (200, "1")]
    assert await post.eof() == b""


async def test_last_packets_reach_a_client_that_is_about_to_move(echo: Harness) -> None:
    """It has the answer to its probe and polls no more."""
    sid = await echo.open_polling()
    socket = await echo.socket()
    websocket = await echo.websocket(sid)
    await websocket.send_str("2probe")
    assert await text(websocket) == "3probe"
    socket.send_text("revoked")
    socket.close()
    await websocket.send_str("5")
    assert await text(websocket) == "4revoked"
    assert await closing_code(websocket) == 1000
    assert (await echo.poll(sid))[0] == 400


@pytest.mark.parametrize("polling", [True, False])
async def test_last_packets_after_a_burst_take_as_many_polls_as_they_need(echo: Harness, polling: bool) -> None:
    sid = await echo.open_polling()
    socket = await echo.socket()
    poll = asyncio.create_task(echo.poll(sid)) if polling else None
    if polling:
        await echo.poll_open(socket)
    # All in one turn of the loop: an open poll is answered after it.
    for number in range(40):
        socket.send_text(str(number))
    socket.close()
    first = await (poll or echo.poll(sid))
    answers = [first, *[await echo.poll(sid) for _ in range(3)]]
    assert [status for status, _ in answers] == [200] * 4
    assert SEP.join(body for _, body in answers).split(SEP) == [*(f"4{number}" for number in range(40)), "1"]
    assert (await echo.poll(sid))[0] == 400


async def test_last_packets_of_more_than_max_payload_are_told_too(serve: Harnesses) -> None:
    server = await serve(max_http_buffer_size=1000)
    sid = await server.open_polling()
    socket = await server.socket()
    for letter in "abc":
        socket.send_text(letter * 600)
    socket.close()
    said = [(await server.poll(sid))[1] for _ in range(4)]
    assert said == ["4" + "a" * 600, "4" + "b" * 600, "4" + "c" * 600, "1"]


async def test_a_client_that_does_not_fetch_is_cut(serve: Harnesses) -> None:
    server = await serve(limits=TransportLimits(buffered_bytes=10_000))
    sid = await server.open_polling()
    socket = await server.socket()
    for _ in range(11):
        socket.send_text("x" * 1000)
    assert await server.ended() == "transport error"
    assert server.engine.counters.aborted_slow == 1
    assert (await server.poll(sid))[0] == 400


async def test_a_burst_comes_in_polls_that_stock_clients_can_read(echo: Harness) -> None:
    sid = await echo.open_polling()
    socket = await echo.socket()
    for number in range(40):
        socket.send_text(str(number))
    bodies = [(await echo.poll(sid))[1].split(SEP) for _ in range(3)]
    assert [len(body) for body in bodies] == [16, 16, 8]
    assert [packet for body in bodies for packet in body] == [f"4{number}" for number in range(40)]
