"""Requests that arrive at a worker that does not have their session."""

from __future__ import annotations

import asyncio

from tests.harness.waiting import until
from tests.server.engineio.harness import TEXT, masked
from tests.server.workers.pair import NewLoop, on_both_loops, open_files, pair, poll, post, run

HANDSHAKE = (
    "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


@on_both_loops
def test_polls_and_posts(loop: NewLoop) -> None:
    async def scenario() -> None:
        async with pair() as both:
            sid = await both.owner.open_polling()
            assert sid.endswith(".0")
            for number in range(20):
                assert await both.other.post(sid, f"4{number}") == (200, "ok")
                assert await both.other.poll(sid) == (200, f"4{number}")
            assert both.other.engine.counters.refused == 0

    run(loop, scenario())


@on_both_loops
def test_a_poll_that_waits(loop: NewLoop) -> None:
    async def scenario() -> None:
        async with pair() as both:
            sid = await both.owner.open_polling()
            raw = await both.write(poll(sid))
            await both.arrived()
            await until(lambda: both.other.connections == 0)
            assert await both.owner.post(sid, "4late") == (200, "ok")
            assert await raw.response() == (200, b"4late")
            # The connection is the owner's from now on.
            raw.writer.write(post(sid, b"4again"))
            assert await raw.response() == (200, b"ok")
            assert both.owner.peers.adopted == 1
            raw.close()

    run(loop, scenario())


@on_both_loops
def test_a_body_split_at_any_byte(loop: NewLoop) -> None:
    async def scenario() -> None:
        async with pair() as both:
            sid = await both.owner.open_polling()
            body = "4Grüße, 世界".encode()
            request = post(sid, body)
            for count, at in enumerate(range(len(request) - len(body), len(request)), 1):
                raw = await both.write(request[:at])
                await both.arrived(count)
                raw.writer.write(request[at:])
                assert await raw.response() == (200, b"ok"), at
                assert await both.owner.poll(sid) == (200, body.decode())
                raw.close()

    run(loop, scenario())


@on_both_loops
def test_a_head_split_at_any_byte(loop: NewLoop) -> None:
    async def scenario() -> None:
        async with pair() as both:
            sid = await both.owner.open_polling()
            request = post(sid, b"4x")
            for at in range(1, len(request) - 2):
                raw = await both.write(request[:at])
                await until(lambda: both.other.connections == 1)
                raw.writer.write(request[at:])
                assert await raw.response() == (200, b"ok"), at
                raw.close()
                await until(lambda: both.owner.connections == 1)

    run(loop, scenario())


@on_both_loops
def test_a_large_body(loop: NewLoop) -> None:
    async def scenario() -> None:
        async with pair() as both:
            sid = await both.owner.open_polling()
            body = b"4" + bytes(65 + at % 26 for at in range(900_000))
            for count, at in enumerate((1, 10_000, 20_000, 100_000, 300_000, 600_000, 900_000), 1):
                request = post(sid, body)
                raw = await both.write(request[:-at])
                await both.arrived(count)
                raw.writer.write(request[-at:])
                assert await raw.response() == (200, b"ok"), at
                assert (await both.owner.poll(sid))[1].encode() == body
                raw.close()

    run(loop, scenario())


@on_both_loops
def test_an_upgrade_with_frames_right_behind_it(loop: NewLoop) -> None:
    async def scenario() -> None:
        async with pair() as both:
            sid = await both.owner.open_polling()
            first = f"GET /engine.io/?EIO=4&transport=websocket&sid={sid} HTTP/1.1\r\nHost: a\r\n{HANDSHAKE}"
            raw = await both.write(first.encode() + masked(TEXT, b"2probe"))
            assert (await raw.head()).startswith("HTTP/1.1 101")
            assert await raw.frame() == (TEXT, b"3probe")
            raw.send(TEXT, b"5")
            raw.send(TEXT, b"4hello")
            assert await raw.frame() == (TEXT, b"4hello")
            assert both.owner.engine.transport(sid) == "websocket"
            raw.close()

    run(loop, scenario())


@on_both_loops
def test_one_connection_for_sessions_of_both(loop: NewLoop) -> None:
    async def scenario() -> None:
        async with pair() as both:
            sids = [await both.owner.open_polling(), await both.other.open_polling()]
            raw = await both.other.raw()
            for number in range(40):
                raw.writer.write(post(sids[number % 2], b"4x"))
                assert await raw.response() == (200, b"ok")
            assert (both.owner.peers.adopted, both.other.peers.adopted) == (20, 20)
            raw.close()

    run(loop, scenario())


@on_both_loops
def test_the_peer_keeps_its_address(loop: NewLoop) -> None:
    async def scenario() -> None:
        async with pair() as both:
            sid = await both.owner.open_polling()
            raw = await both.write(post(sid, b"4x"))
            assert (await raw.response())[0] == 200
            # A handshake on the same connection is the owner's to answer.
            raw.writer.write(b"GET /engine.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: a\r\n\r\n")
            assert (await raw.response())[0] == 200
            assert both.owner.addresses[-1] == raw.writer.get_extra_info("sockname")
            raw.close()

    run(loop, scenario())


@on_both_loops
def test_nothing_is_left_behind(loop: NewLoop) -> None:
    async def scenario() -> None:
        async with pair() as both:
            sid = await both.owner.open_polling()
            large = b"4" + b"x" * 40_000
            await both.other.post(sid, "4x")
            before = open_files()
            for number in range(500):
                raw = await both.write(post(sid, large if number % 10 == 0 else b"4x"))
                assert (await raw.response())[0] == 200
                raw.close()
                if number % 10 == 9:  # before too much waits to be fetched, sixteen packets at a time
                    assert (await both.owner.poll(sid))[0] == 200
            assert both.owner.peers.adopted == 501
            await until(lambda: open_files() <= before)

    run(loop, scenario())


@on_both_loops
def test_a_client_that_leaves_on_the_way(loop: NewLoop) -> None:
    async def scenario() -> None:
        async with pair(listening=False) as both:
            sid = await both.owner.open_polling()
            before = open_files()
            for _ in range(10):
                raw = await both.write(poll(sid))
                await until(lambda: both.other.peers.handed_off == 1)
                both.other.peers.handed_off = 0
                raw.close()
                await raw.writer.wait_closed()
            both.owner.listen()
            await both.arrived(10)
            await until(lambda: open_files() <= before)
            await asyncio.wait_for(both.owner.closed.get(), 5)

    run(loop, scenario())
