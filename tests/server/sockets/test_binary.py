"""Commands take no binary data: they say so, and what is announced and never sent costs nothing."""

from __future__ import annotations

import json
import tracemalloc

import pytest

from tests.server.sockets.raw import raw_socket
from tests.server.sockets.raw_conversation import RawConversation
from tests.server.sockets.refusals import assert_refused

PLACEHOLDER = '{"_placeholder":true,"num":0}'


@pytest.mark.parametrize("attachments", [0, 1, 2, 10])
async def test_a_binary_event_is_refused_and_the_socket_works_on(unchanged: RawConversation, attachments: int) -> None:
    before = await unchanged.contents()
    async with raw_socket(unchanged.running.url) as raw:
        await raw.connect(unchanged.client.token)
        await raw.send(f'5{attachments}-/conversations,7["message:send",{PLACEHOLDER}]')
        for _ in range(attachments):
            await raw.websocket.send(b"\x00" * 100_000)
        answer = json.loads("[" + await raw.until("3/conversations,7["))[0]
        assert_refused(answer, {"validation_failed"})
        assert await raw.is_usable()
    assert await unchanged.contents() == before
    await unchanged.assert_nothing_sent()


async def test_without_an_acknowledgement_it_is_swallowed(unchanged: RawConversation) -> None:
    async with raw_socket(unchanged.running.url) as raw:
        await raw.connect(unchanged.client.token)
        await raw.send(f'51-/conversations,["message:send",{PLACEHOLDER}]')
        await raw.websocket.send(b"x")
        await raw.send(f"61-/conversations,3[{PLACEHOLDER}]")
        await raw.websocket.send(b"x")
        assert await raw.is_usable()
        assert raw.received == []


async def test_an_attachment_that_was_not_announced_closes_the_socket(unchanged: RawConversation) -> None:
    async with raw_socket(unchanged.running.url) as raw:
        await raw.connect(unchanged.client.token)
        await raw.websocket.send(b"x")
        await raw.closed()


async def test_text_in_the_place_of_an_attachment_closes_the_socket(unchanged: RawConversation) -> None:
    async with raw_socket(unchanged.running.url) as raw:
        await raw.connect(unchanged.client.token)
        await raw.send(f'52-/conversations,1["message:send",{PLACEHOLDER}]')
        await raw.websocket.send(b"x")
        await raw.send('2/conversations,2["conversation:list",{}]')
        await raw.closed()
        assert raw.received == []


async def test_announcing_more_than_any_library_would_closes_the_socket(unchanged: RawConversation) -> None:
    async with raw_socket(unchanged.running.url) as raw:
        await raw.connect(unchanged.client.token)
        await raw.send(f'511-/conversations,1["message:send",{PLACEHOLDER}]')
        await raw.closed()


async def test_a_stream_of_attachments_is_not_kept(unchanged: RawConversation) -> None:
    """40 MB in attachments of events that are never completed or are refused: none of it stays."""
    async with raw_socket(unchanged.running.url) as raw:
        await raw.connect(unchanged.client.token)
        chunk = b"\x00" * 900_000
        tracemalloc.start()
        try:
            for _ in range(5):
                await raw.send(f'59-/conversations,1["message:send",{PLACEHOLDER}]')
                for _ in range(9):
                    await raw.websocket.send(chunk)
                await raw.until("3/conversations,1[")
            await raw.send(f'510-/conversations,1["message:send",{PLACEHOLDER}]')
            for _ in range(9):
                await raw.websocket.send(chunk)
            # The heartbeat is answered in order, after the nine were taken.
            await (await raw.websocket.ping())
            held, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert held < 8_000_000
