"""A client that does not read is cut in the middle of being written to, and nobody else misses anything."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import structlog

from domain.wire.events import NAMESPACES, AuthExpiring
from tests.harness.devices import device
from tests.harness.nodes import RunningNode
from tests.harness.people import People
from tests.harness.waiting import until
from tests.server.sockets.raw import Raw, admitted

# 16 KB in UTF-8: with the kernel's buffers filled, some hundred of them are more than may wait for a socket.
TEXT = "😀" * 4000
MOST = 2000


@asynccontextmanager
async def not_reading(raw: Raw) -> AsyncIterator[None]:
    """It reads nothing from now on."""
    raw.websocket.transport.pause_reading()
    yield
    raw.websocket.transport.abort()


async def test_the_others_receive_everything(
    running: RunningNode, people: People, caplog: pytest.LogCaptureFixture
) -> None:
    client, trainer, conversation = await people.pair()
    counters = running.node.gateway.eio.counters
    async with (
        admitted(running.url, trainer.token) as slow,
        device(running.url, trainer) as quick,
        device(running.url, client) as phone,
        not_reading(slow),
    ):
        sent = 0
        with caplog.at_level(logging.WARNING), structlog.testing.capture_logs() as logs:
            while counters.aborted_slow == 0:
                assert sent < MOST
                await asyncio.gather(*(phone.send(conversation, f"m{sent + n}", TEXT) for n in range(20)))
                sent += 20
            await phone.send(conversation, "last", "the end")
        received = await quick.receive("message:new", sent + 1)
        assert [event["seq"] for event in received] == list(range(1, sent + 2))
        assert [event["seq"] for event in phone.events("message:new")] == list(range(1, sent + 2))
        assert logs == [] and caplog.text == ""
        assert counters.failed_handlers == 0
        assert len(running.node.gateway.clients) == 2


async def test_what_is_said_on_every_namespace_may_be_its_end(running: RunningNode, people: People) -> None:
    """The socket is cut while it is told something, and with it goes the list of its namespaces."""
    person = await people.make()
    counters = running.node.gateway.eio.counters
    async with admitted(running.url, person.token, *NAMESPACES) as slow, not_reading(slow):
        (client,) = running.node.gateway.clients
        long = AuthExpiring(expires_at="x" * 200_000)
        for _ in range(MOST):
            if counters.aborted_slow:
                break
            client.send_event(long)
            await asyncio.sleep(0)
        assert counters.aborted_slow == 1
        await until(lambda: not running.node.gateway.clients)
    assert running.node.registry.users == 0
