"""Whatever text arrives: the socket is closed or goes on, and the server has nothing to be surprised at."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from websockets.exceptions import ConnectionClosed

from tests.server.sockets.raw import admitted
from tests.server.sockets.raw_conversation import RawConversation

PIECES = (
    *("0", "1", "2", "3", "4", "5", "6", "7", "50-", "51-", "52-", "12", "999999999999999", "-", ",", "e9"),
    *("/", "/conversations", "/conversations,", "/presence,", "/x,", "\x00", "\x1e", "é", "😀", " ", "\n", "\\"),
    *("[", "]", "{", "}", '"', ":", '["', '",', "null", "true", "NaN", "[[[[", "]]]]", "\\u0000", "\\ud800"),
    *('"message:send"', '"typing"', '"auth:refresh"', '"sync"', '{"token":"x"}', '{"cursors":{}}'),
    '{"_placeholder":true,"num":0}',
)
packets = st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=3)), max_size=12).map("".join)
frames = st.lists(st.one_of(packets, st.binary(max_size=20)), min_size=1, max_size=6)
relaxed = settings(
    deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.filter_too_much]
)


class Fuzzed:
    def __init__(self, raw_conversation: RawConversation) -> None:
        self._raw_conversation = raw_conversation

    async def survives(self, sent: list[str | bytes]) -> None:
        counters = self._raw_conversation.running.node.gateway.eio.counters
        async with admitted(self._raw_conversation.running.url, self._raw_conversation.client.token) as raw:
            try:
                for frame in sent:
                    await (raw.send(frame) if isinstance(frame, str) else raw.websocket.send(frame))
                await (await raw.websocket.ping())
            except ConnectionClosed:
                pass
        assert counters.failed_handlers == 0
        # Both are asked, so that both go on answering pings.
        assert await self._raw_conversation.sender.is_usable()
        assert await self._raw_conversation.receiver.is_usable()


@pytest.fixture
async def fuzzed(unchanged: RawConversation) -> AsyncIterator[Fuzzed]:
    before = await unchanged.contents()
    yield Fuzzed(unchanged)
    await unchanged.running.node.dispatcher.drain()
    assert await unchanged.contents() == before
    assert not any(code == "internal" for _, code in unchanged.running.node.dispatcher.outcomes)
    await unchanged.assert_nothing_sent()


@settings(relaxed, max_examples=60)
@given(sent=frames)
async def test_any_frames(fuzzed: Fuzzed, sent: list[str | bytes]) -> None:
    await fuzzed.survives(sent)


@pytest.mark.verify
@settings(relaxed, max_examples=150)
@given(sent=frames)
async def test_more_frames(fuzzed: Fuzzed, sent: list[str | bytes]) -> None:
    await fuzzed.survives(sent)


@pytest.mark.soak
@settings(relaxed, max_examples=10_000)
@given(sent=frames)
async def test_many_frames(fuzzed: Fuzzed, sent: list[str | bytes]) -> None:
    await fuzzed.survives(sent)
