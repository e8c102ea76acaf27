"""What polling clients send."""

from __future__ import annotations

import asyncio
import random

import pytest

from tests.harness.waiting import until
from tests.server.engineio.conftest import Harnesses
from tests.server.engineio.harness import Harness

SEP = "\x1e"
POST = "POST /engine.io/?EIO=4&transport=polling&sid="


async def test_many_packets_in_one_post(echo: Harness) -> None:
    sid = await echo.open_polling()
    body = SEP.join(f"4{n}" for n in range(4096))
    assert await echo.post(sid, body) == (200, "ok")
    came: list[str] = []
    while len(came) < 4096:
        came += (await echo.poll(sid))[1].split(SEP)
    assert SEP.join(came) == body


async def test_too_many_packets_end_the_session(echo: Harness) -> None:
    sid = await echo.open_polling()
    assert (await echo.post(sid, SEP.join(["4x"] * 4097)))[0] == 400
    assert await echo.ended() == "transport error"
    assert echo.received == []
    assert (await echo.poll(sid))[0] == 400


@pytest.mark.parametrize(
    "body",
    [
        "abc",
        "",
        "4a\x1e",
        "4a\x1eabc",
        "2",
        "2probe",
        "5",
        "0{}",
        "7",
        "b!!!",
        "bAQI",
        b"4\xff\xfe",
        "4a\x1eb=",
        " 4x",
    ],
)
async def test_an_invalid_packet_ends_the_session_and_nothing_is_half_processed(
    echo: Harness, body: str | bytes
) -> None:
    sid = await echo.open_polling()
    assert (await echo.post(sid, body))[0] == 400
    assert await echo.ended() == "transport error"
    assert echo.received == []
    assert (await echo.poll(sid))[0] == 400


async def test_a_large_body_split_at_random_bytes(echo: Harness) -> None:
    sid = await echo.open_polling()
    body = SEP.join("4" + f"{n}" * 4000 for n in range(10, 60)).encode()
    raw = await echo.raw(f"{POST}{sid} HTTP/1.1\nHost: a\nContent-Length: {len(body)}")
    randomness = random.Random(5)
    while body:
        size = randomness.choice((1, 2, 19, 1460, 40_000))
        raw.writer.write(body[:size])
        await raw.writer.drain()
        body = body[size:]
    assert await raw.response() == (200, b"ok")
    assert [str(message)[:2] for message in echo.received] == [str(n) for n in range(10, 60)]
    raw.close()


async def test_a_body_split_at_any_byte(echo: Harness) -> None:
    sid = await echo.open_polling()
    echo.echoing = False
    body = ("4" + "é" * 1950 + SEP + "4end").encode()
    raw = await echo.raw()
    head = f"{POST}{sid} HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n\r\n"
    for at in range(0, len(body), 23):
        raw.writer.write(head.encode() + body[:at])
        await raw.writer.drain()
        raw.writer.write(body[at:])
        assert await raw.response() == (200, b"ok")
    assert set(echo.received) == {"é" * 1950, "end"}
    raw.close()


async def test_a_body_that_breaks_off_ends_the_session(echo: Harness) -> None:
    sid = await echo.open_polling()
    raw = await echo.raw(f"{POST}{sid} HTTP/1.1\nHost: a\nContent-Length: 20", b"4one\x1e4two")
    await raw.writer.drain()
    raw.close()
    assert await echo.ended() == "transport close"
    assert echo.received == []
    assert (await echo.poll(sid))[0] == 400


async def test_a_length_is_required(echo: Harness) -> None:
    sid = await echo.open_polling()
    raw = await echo.raw(
        f"{POST}{sid} HTTP/1.1\nHost: a\nTransfer-Encoding: chunked",
        b"3\r\n4hi\r\n0\r\n\r\n",
    )
    assert (await raw.head()).startswith("HTTP/1.1 411")
    assert echo.received == []
    raw.close()


async def test_what_was_announced_is_enforced(serve: Harnesses) -> None:
    server = await serve(max_http_buffer_size=1000)
    sid = await server.open_polling()
    assert (await server.post(sid, "4" + "x" * 999))[0] == 200
    assert (await server.post(sid, "4" + "x" * 1000))[0] == 413
    assert await server.ended() == "transport error"


async def test_a_compressed_body_is_refused(echo: Harness) -> None:
    sid = await echo.open_polling()
    assert (await echo.post(sid, "4hi", headers={"Content-Encoding": "gzip"}))[0] == 415


async def test_a_second_post_while_one_is_read_ends_the_session(echo: Harness) -> None:
    sid = await echo.open_polling()
    socket = await echo.socket()
    raw = await echo.raw(f"{POST}{sid} HTTP/1.1\nHost: a\nContent-Length: 20", b"4one")
    await until(lambda: getattr(socket.transport, "posting", True))
    assert (await echo.post(sid, "4two"))[0] == 400
    assert await echo.ended() == "transport error"
    assert echo.received == []
    await raw.eof()
    raw.close()


async def test_what_follows_a_close_packet_is_dropped(echo: Harness) -> None:
    sid = await echo.open_polling()
    await echo.post(sid, f"4a{SEP}1{SEP}4b")
    assert echo.received == ["a"]


async def test_backpressure_delays_the_ok(echo: Harness) -> None:
    sid = await echo.open_polling()
    socket = await echo.socket()
    socket.pause()
    post = asyncio.create_task(echo.post(sid, f"4a{SEP}4b"))
    await until(lambda: getattr(socket.transport, "posting", True))
    assert echo.received == []
    socket.resume()
    assert await post == (200, "ok")
    assert echo.received == ["a", "b"]
