"""The polling transport."""

from __future__ import annotations

import asyncio
import random
from base64 import b64encode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server.sockets.engine import Limits
from server.sockets.engine.payload import BadPacket, decode
from tests.server.sockets.engine.conftest import Harnesses
from tests.server.sockets.engine.harness import Harness

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


async def test_many_packets_in_one_post(echo: Harness) -> None:
    sid = await echo.open_polling()
    body = SEP.join(f"4{n}" for n in range(4096))
    assert await echo.post(sid, body) == (200, "ok")
    assert await echo.poll(sid) == (200, body)


async def test_too_many_packets_end_the_session(echo: Harness) -> None:
    sid = await echo.open_polling()
    assert (await echo.post(sid, SEP.join(["4x"] * 4097)))[0] == 400
    assert await echo.ended() == "transport error"
    assert echo.received == []
    assert (await echo.poll(sid))[0] == 400


@pytest.mark.parametrize(
    "body",
    ["abc", "", "4ok\x1e", "4ok\x1eabc", "2", "2probe", "5", "0{}", "7", "b!!!", "bAQI", b"4\xff\xfe", "4ok\x1eb=", " 4x"],
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
    raw = await echo.raw(f"POST /engine.io/?EIO=4&transport=polling&sid={sid} HTTP/1.1\nHost: a\nContent-Length: {len(body)}")
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
    head = f"POST /engine.io/?EIO=4&transport=polling&sid={sid} HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n\r\n"
    for at in range(0, len(body), 23):
        raw.writer.write(head.encode() + body[:at])
        await raw.writer.drain()
        raw.writer.write(body[at:])
        assert await raw.response() == (200, b"ok")
    assert set(echo.received) == {"é" * 1950, "end"}
    raw.close()


async def test_a_body_that_breaks_off_ends_the_session(echo: Harness) -> None:
    sid = await echo.open_polling()
    raw = await echo.raw(
        f"POST /engine.io/?EIO=4&transport=polling&sid={sid} HTTP/1.1\nHost: a\nContent-Length: 20", b"4one\x1e4two"
    )
    await raw.writer.drain()
    raw.close()
    assert await echo.ended() == "transport close"
    assert echo.received == []
    assert (await echo.poll(sid))[0] == 400


async def test_a_length_is_required(echo: Harness) -> None:
    sid = await echo.open_polling()
    raw = await echo.raw(
        f"POST /engine.io/?EIO=4&transport=polling&sid={sid} HTTP/1.1\nHost: a\nTransfer-Encoding: chunked",
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
    assert (await echo.post(sid, "4hi", headers={"Content-Encoding": "gzip"}))[0] == 400


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


async def test_a_second_post_while_one_is_read_ends_the_session(echo: Harness) -> None:
    sid = await echo.open_polling()
    socket = await echo.socket()
    raw = await echo.raw(
        f"POST /engine.io/?EIO=4&transport=polling&sid={sid} HTTP/1.1\nHost: a\nContent-Length: 20", b"4one"
    )
    while not getattr(socket.link, "posting", True):
        await asyncio.sleep(0)
    assert (await echo.post(sid, "4two"))[0] == 400
    assert await echo.ended() == "transport error"
    assert echo.received == []
    await raw.eof()
    raw.close()


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


async def test_what_follows_a_close_packet_is_dropped(echo: Harness) -> None:
    sid = await echo.open_polling()
    await echo.post(sid, f"4a{SEP}1{SEP}4b")
    assert echo.received == ["a"]


async def test_last_words_reach_a_client_between_two_polls(echo: Harness) -> None:
    sid = await echo.open_polling()
    socket = await echo.socket()
    socket.send_text("revoked")
    socket.close()
    assert await echo.ended() == "server disconnect"
    assert await echo.poll(sid) == (200, f"4revoked{SEP}1")
    assert (await echo.poll(sid))[0] == 400


async def test_a_client_that_does_not_fetch_is_cut(serve: Harnesses) -> None:
    server = await serve(limits=Limits(buffered_bytes=10_000))
    sid = await server.open_polling()
    socket = await server.socket()
    for _ in range(11):
        socket.send_text("x" * 1000)
    assert await server.ended() == "transport error"
    assert server.engine.counters.aborted_slow == 1
    assert (await server.poll(sid))[0] == 400


async def test_backpressure_delays_the_ok(echo: Harness) -> None:
    sid = await echo.open_polling()
    socket = await echo.socket()
    socket.pause()
    post = asyncio.create_task(echo.post(sid, f"4a{SEP}4b"))
    while not getattr(socket.link, "posting", True):
        await asyncio.sleep(0)
    assert echo.received == []
    socket.resume()
    assert await post == (200, "ok")
    assert echo.received == ["a", "b"]


@given(st.lists(st.one_of(st.text(st.characters(exclude_categories=["Cs"], exclude_characters=SEP)), st.binary()), min_size=1))
@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_any_packets_survive_a_body(packets: list[str | bytes]) -> None:
    parts = [b"4" + p.encode() if isinstance(p, str) else b"b" + b64encode(p) for p in packets]
    assert decode(b"\x1e".join(parts), 4096) == [f"4{p}" if isinstance(p, str) else p for p in packets]


@given(st.binary())
@settings(max_examples=60, deadline=None)
def test_no_body_breaks_the_decoder(body: bytes) -> None:
    try:
        decode(body, 4096)
    except BadPacket:
        pass
