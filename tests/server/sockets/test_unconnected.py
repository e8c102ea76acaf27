"""Who has shown no token costs a node a few kilobytes, however much is announced."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import Any

import aiohttp
import pytest
from websockets.exceptions import ConnectionClosed

from domain.wire.events import CONVERSATIONS
from tests.harness.nodes import RunningNode
from tests.harness.people import People
from tests.harness.waiting import until
from tests.server.engineio.harness import TEXT, masked
from tests.server.sockets.polling import Poller
from tests.server.sockets.raw import Raw, admitted, raw_socket

MANY, LARGE = 100, 990_000
UPGRADE = (
    "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
# A message but for its last byte.
BODY = b"4".ljust(LARGE - 1, b"x")
UNFINISHED = masked(TEXT, b"4" + b"x" * (LARGE - 1))[:-1]


class Flood(asyncio.Protocol):
    """Sends all of it, as far as it is taken."""

    def __init__(self, opening: bytes, wire: bytes) -> None:
        self._opening = opening
        self._wire = wire
        self.gone = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:
        transport.write(self._opening)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        wire, self._wire = self._wire, b""
        if wire:
            self._transport.write(wire)

    def connection_lost(self, exc: Exception | None) -> None:
        self.gone.set_result(None)

    async def open(self, running: RunningNode) -> None:
        port = int(running.url.rpartition(":")[2])
        await asyncio.get_running_loop().create_connection(lambda: self, "127.0.0.1", port)

    def close(self) -> None:
        self._transport.abort()


async def assert_all_are_closed(running: RunningNode, floods: list[Flood], quiet: Raw) -> None:
    engine = running.node.gateway.eio
    sockets, unfinished = engine.sockets, engine.transport_state.unconnected.unfinished
    most = 0

    def only_the_quiet_one_is_left() -> bool:
        nonlocal most
        most = max(most, unfinished.total)
        return len(sockets) == 1

    await until(only_the_quiet_one_is_left)
    assert most <= 16 * 1024 * MANY
    assert await quiet.is_usable()
    assert unfinished.total == 0
    for flood in floods:
        flood.close()
    await asyncio.gather(*(flood.gone for flood in floods))


async def test_unfinished_messages_without_a_token(running: RunningNode, people: People) -> None:
    handshakes = running.node.gateway.eio.counters
    async with admitted(running.url, (await people.make()).token) as quiet:
        running.node.gateway.connect_within = 3600.0
        floods = [Flood(UPGRADE.encode(), UNFINISHED) for _ in range(MANY)]
        await asyncio.gather(*(flood.open(running) for flood in floods))
        await until(lambda: handshakes.handshakes == MANY + 1)
        await assert_all_are_closed(running, floods, quiet)


async def test_unfinished_bodies_without_a_token(running: RunningNode, people: People) -> None:
    async with (
        admitted(running.url, (await people.make()).token) as quiet,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=20)) as http,
    ):
        running.node.gateway.connect_within = 3600.0
        pollers = await asyncio.gather(*(Poller.open(running.url, http) for _ in range(MANY)))
        floods = []
        for poller in pollers:
            path = poller.url.removeprefix(running.url)
            head = f"POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {LARGE}\r\n\r\n"
            flood = Flood(head.encode() + BODY, b"")
            floods.append(flood)
            await flood.open(running)
        await assert_all_are_closed(running, floods, quiet)


async def test_small_fragments_are_one_message(running: RunningNode) -> None:
    async with raw_socket(running.url) as raw:
        async def fragments() -> Any:
            yield "4"
            for _ in range(200):
                yield "x" * 100
                await asyncio.sleep(0)

        sending = asyncio.create_task(raw.websocket.send(fragments()))
        assert await raw.closed() == 1009
        raw.websocket.transport.abort()
        await asyncio.gather(sending, return_exceptions=True)


@pytest.fixture
def large() -> str:
    return json.dumps({"text": "x" * 900_000})


async def test_who_is_connected_sends_large_messages(running: RunningNode, people: People, large: str) -> None:
    person = await people.make()
    async with raw_socket(running.url) as raw:
        # As long a token as may be is not too long to be answered with a refusal.
        assert "message" in await raw.connect("x" * 4096)
        assert "sid" in await raw.connect(person.token)
        assert (await raw.ask("no:such:event", large))["error"]["code"] == "unknown_event"
        await raw.send(f"1{CONVERSATIONS},")
        await until(lambda: not any(client.connections for client in running.node.gateway.clients))
        # The server may have closed before all of it is sent.
        with suppress(ConnectionClosed):
            await raw.submit(f'["no:such:event",{large}]')
        assert await raw.closed() == 1009
        raw.websocket.transport.abort()
    async with admitted(running.url, person.token) as raw:
        await raw.send(f"1{CONVERSATIONS},")
        assert "sid" in await raw.connect(person.token)
        assert (await raw.ask("no:such:event", large))["error"]["code"] == "unknown_event"


async def test_who_is_connected_posts_and_upgrades(running: RunningNode, people: People, large: str) -> None:
    person = await people.make()
    async with aiohttp.ClientSession() as http:
        poller = await Poller.open(running.url, http)
        assert "sid" in await poller.connect(person.token)
        event = f'42{CONVERSATIONS},7["no:such:event",{large}]'
        assert await poller.post(event) == "ok"
        assert (await poller.acknowledgement())[0] == 7
        async with http.ws_connect(poller.url.replace("=polling", "=websocket"), max_msg_size=0) as websocket:
            await websocket.send_str("2probe")
            assert await websocket.receive_str(timeout=15) == "3probe"
            await websocket.send_str("5")
            await websocket.send_str(event)
            while not (packet := await websocket.receive_str(timeout=15)).startswith(f"43{CONVERSATIONS},7["):
                assert packet != "1"
