"""Hundreds of clients that come and go in every way there is leave nothing behind."""

from __future__ import annotations

import asyncio
import gc
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

import aiohttp
import pytest

from domain.wire.events import NAMESPACES
from server.engineio.socket import EngineSocket
from server.sockets.clients import Client, NamespaceConnection
from tests.harness.nodes import RunningNode
from tests.harness.people import People, Person
from tests.harness.waiting import until
from tests.server.engineio.harness import masked
from tests.server.sockets.polling import Poller
from tests.server.sockets.raw import Raw, admitted, raw_socket

AT_ONCE = 20
TEXT = 1


@dataclass(frozen=True)
class ConnectedPair:
    running: RunningNode
    people: People
    client: Person
    conversation: str


Visit = Callable[[ConnectedPair], Awaitable[None]]


async def with_a_close_frame(here: ConnectedPair) -> None:
    async with admitted(here.running.url, here.client.token, *NAMESPACES) as raw:
        assert await raw.is_usable()


async def by_an_abort(here: ConnectedPair) -> None:
    async with admitted(here.running.url, here.client.token) as raw:
        raw.websocket.transport.abort()


async def by_the_protocol(here: ConnectedPair) -> None:
    async with admitted(here.running.url, here.client.token, *NAMESPACES) as raw:
        for namespace in NAMESPACES:
            await raw.send(f"1{namespace},")
        await raw.websocket.send("1")
        await raw.closed()


async def before_the_token_is_checked(here: ConnectedPair) -> None:
    """Connects, asks and closes before the server has looked at the token."""
    async with raw_socket(here.running.url) as raw:
        at_once(raw, f'40/conversations,{{"token":"{here.client.token}"}}', "1")
        await raw.closed()


async def in_the_middle(here: ConnectedPair) -> None:
    """Leaves with commands at work: typing, a renewal of the token, a list."""
    typing = json.dumps(["typing", {"conversationId": here.conversation, "active": True}])
    renewal = json.dumps(["auth:refresh", {"token": here.client.token}])
    async with admitted(here.running.url, here.client.token) as raw:
        commands = (typing, renewal, '["sync",{"cursors":{}}]')
        asked = (f"42/conversations,{number}{command}" for number, command in enumerate(commands))
        at_once(raw, *asked, "1")
        await raw.closed()


async def refused(here: ConnectedPair) -> None:
    async with raw_socket(here.running.url) as raw:
        assert "data" in await raw.connect("garbage")


async def cut(here: ConnectedPair) -> None:
    phone = await here.people.another_device(here.client)
    async with admitted(here.running.url, phone.token, *NAMESPACES) as raw:
        here.running.node.registry.cut(phone.id, "logout", phone.session_id)
        await raw.closed()


async def during_the_handshake(here: ConnectedPair) -> None:
    """The connection is gone when the handshake is answered."""
    target = urlsplit(here.running.url)
    _, writer = await asyncio.open_connection(target.hostname, target.port)
    head = f"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: {target.netloc}\r\n"
    more = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    writer.write(f"{head}{more}Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode())
    await writer.drain()
    writer.transport.abort()


async def with_a_malformed_packet(here: ConnectedPair) -> None:
    async with admitted(here.running.url, here.client.token) as raw:
        await raw.send("2{}")
        await raw.closed()


VISITS: tuple[Visit, ...] = (
    *(with_a_close_frame, by_an_abort, by_the_protocol, before_the_token_is_checked),
    *(in_the_middle, refused, cut, during_the_handshake, with_a_malformed_packet),
)


def at_once(raw: Raw, *packets: str) -> None:
    """In one segment, so that the server finds all of them together."""
    raw.websocket.transport.write(b"".join(masked(TEXT, packet.encode()) for packet in packets))


@pytest.fixture
def elsewhere() -> list[object]:
    """What other nodes of this process have: those of modules of tests that have begun and not ended."""
    return living()


@pytest.mark.parametrize("count", [20 * len(VISITS), pytest.param(1000, marks=pytest.mark.verify)])
async def test_many_visits(elsewhere: list[object], running: RunningNode, people: People, count: int) -> None:
    client, _, conversation = await people.pair(begun=True)
    here = ConnectedPair(running, people, client, conversation)
    places = asyncio.Semaphore(AT_ONCE)

    async def visit(number: int) -> None:
        async with places:
            await VISITS[number % len(VISITS)](here)

    async with asyncio.TaskGroup() as group:
        for number in range(count):
            group.create_task(visit(number))
    await assert_nothing_left(running, elsewhere)


async def test_visitors_that_poll(elsewhere: list[object], running: RunningNode, people: People) -> None:
    person = await people.make()
    async with aiohttp.ClientSession() as http:
        for number in range(60):
            poller = await Poller.open(running.url, http)
            await poller.connect(person.token)
            if number % 2:
                await poller.close()
            else:
                running.node.registry.cut(person.id, "logout")
    await assert_nothing_left(running, elsewhere)


def living() -> list[object]:
    gc.collect()
    return [thing for thing in gc.get_objects() if type(thing) in (Client, NamespaceConnection, EngineSocket)]


async def assert_nothing_left(running: RunningNode, elsewhere: list[object]) -> None:
    node = running.node
    gateway, engine, rooms = node.gateway, node.gateway.eio, node.rooms
    await until(lambda: not gateway.clients and not engine.sockets)
    await node.dispatcher.drain()
    await until(lambda: not gateway._tasks)
    assert node.registry.users == 0
    assert rooms.connections == 0
    assert not rooms._members and not rooms._joined and not rooms._sockets
    library = gateway.manager
    assert not library.callbacks and not library.rooms and not library.eio_to_sid and not library.pending_disconnect
    # Somebody who left while saying so goes on typing until that ends by itself.
    await until(lambda: not node.typing._active)
    assert not engine._per_network
    assert len(engine.heartbeat) == len(engine.probes) == 0
    assert not gateway.environ
    await until(lambda: len(engine.transport_state.closing) + len(engine.transport_state.clogged) == 0)
    # Farewells are for pollers that had not fetched everything; they are forgotten after a while.
    assert len(engine.closing_polls._transports) <= 30
    known = set(map(id, elsewhere))
    assert [thing for thing in living() if id(thing) not in known] == []
