"""Requests that cannot be handed over."""

from __future__ import annotations

import pytest

from tests.harness.waiting import until
from tests.server.engineio.harness import Raw
from tests.server.workers.pair import NewLoop, on_both_loops, pair, poll, post, run

UNKNOWN = b'{"code":1,"message":"Session ID unknown"}'


@on_both_loops
@pytest.mark.parametrize(
    "sid", ["AAAA.0", "AAAA.1", "AAAA.2", "AAAA.99999", "AAAA", "AAAA.", ".0", "AAAA.-1", "AAAA.%D9%A3", "AAAA.%C2%B2"]
)
def test_sessions_that_nobody_has(loop: NewLoop, sid: str) -> None:
    async def scenario() -> None:
        async with pair() as both:
            raw = await both.write(poll(sid))
            assert await raw.response() == (400, UNKNOWN)
            raw.close()

    run(loop, scenario())


@on_both_loops
def test_pipelined_requests_close_the_connection(loop: NewLoop) -> None:
    async def scenario() -> None:
        async with pair() as both:
            sid = await both.owner.open_polling()
            raw = await both.write(post(sid, b"4a") + post(sid, b"4b"))
            assert (await raw.eof()).startswith(b"HTTP/1.1 503")
            assert both.owner.received == []

    run(loop, scenario())


@on_both_loops
def test_bodies_that_the_owner_refuses(loop: NewLoop) -> None:
    async def scenario() -> None:
        async with pair() as both:
            sid = await both.owner.open_polling()
            raw = await both.write(post(sid, b"3\r\n4ab\r\n0\r\n\r\n", "Transfer-Encoding: chunked", length=False))
            assert (await raw.eof()).startswith(b"HTTP/1.1 411")
            assert await both.owner.ended() == "transport error"

    run(loop, scenario())


@on_both_loops
def test_a_body_in_a_content_coding_reaches_no_session(loop: NewLoop) -> None:
    async def scenario() -> None:
        async with pair() as both:
            sid = await both.owner.open_polling()
            raw = await both.write(post(sid, b"4a", "Content-Encoding: gzip"))
            assert (await raw.eof()).startswith(b"HTTP/1.1 415")
            assert both.owner.received == []

    run(loop, scenario())


@on_both_loops
def test_a_client_that_waits_to_be_told_to_go_on(loop: NewLoop) -> None:
    async def scenario() -> None:
        async with pair() as both:
            sid = await both.owner.open_polling()
            request = post(sid, b"4a", "Expect: 100-continue")
            raw = await both.write(request[:-2])
            assert await raw.head() == "HTTP/1.1 100 Continue\r\n\r\n"
            raw.writer.write(request[-2:])
            assert await raw.response() == (200, b"ok")
            raw.close()

    run(loop, scenario())


@on_both_loops
def test_a_worker_that_hangs(loop: NewLoop) -> None:
    async def scenario() -> None:
        async with pair(listening=False, timeout_seconds=0.1) as both:
            both.fill_quickly()
            sid = await both.owner.open_polling()
            waiting: list[Raw] = []
            while not both.is_full:
                waiting.append(await both.write(poll(sid)))
                await until(lambda: both.is_full or both.other.peers.handed_off == len(waiting))
            assert (await waiting.pop().eof()).startswith(b"HTTP/1.1 503")
            for raw in waiting:
                raw.close()

    run(loop, scenario())


@on_both_loops
def test_a_worker_that_is_late(loop: NewLoop) -> None:
    async def scenario() -> None:
        async with pair(listening=False) as both:
            both.fill_quickly()
            sid = await both.owner.open_polling()
            waiting: list[Raw] = []
            while not both.is_full:
                waiting.append(await both.write(post(sid, b"")))
                await until(lambda: both.is_full or both.other.peers.handed_off == len(waiting))
            both.owner.listen()
            # An empty body is refused, which is an answer too.
            assert {(await raw.response())[0] for raw in waiting} == {400}
            for raw in waiting:
                raw.close()

    run(loop, scenario())
