"""The polling transport with all that lies above it: long messages in any pieces, and a poller that is cut."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from itertools import pairwise
from urllib.parse import urlsplit

import aiohttp
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain import rooms
from domain.wire.events import TypingChanged
from server.engineio.polling import PollingTransport
from tests.harness.devices import TIMEOUT_SECONDS
from tests.harness.nodes import RunningNode
from tests.harness.people import People
from tests.harness.waiting import until
from tests.server.sockets.polling import Poller

# One, two, three and four bytes each, up to the limit of 4,000 characters with room to spare.
TEXT = ("aß€😀" * 975)[:3900]

# Every request has more than these.
LEAST_BYTES = 10_000


@dataclass
class Sender:
    """Somebody who polls, and whose POSTs are written to TCP piece by piece."""

    poller: Poller
    conversation: str
    running: RunningNode
    sent: int = 0

    def request(self) -> bytes:
        """A whole POST with the next message; they are all of the same length."""
        self.sent += 1
        message = {"conversationId": self.conversation, "clientMessageId": f"m{self.sent:07}", "text": TEXT}
        event = json.dumps(["message:send", message], ensure_ascii=False)
        body = f"42/conversations,{self.sent:07}{event}".encode()
        target = urlsplit(self.poller.url)
        head = (
            f"POST {target.path}?{target.query} HTTP/1.1\r\nHost: {target.netloc}\r\n"
            f"Content-Type: text/plain;charset=UTF-8\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body

    async def arrives(self, *pieces: bytes) -> None:
        """Send a request in pieces, each of which the server has read before the next one leaves."""
        target = urlsplit(self.poller.url)
        reader, writer = await asyncio.open_connection(target.hostname, target.port)
        try:
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                await self._taken(writer)
            async with asyncio.timeout(TIMEOUT_SECONDS):
                head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200"), head
        finally:
            writer.close()
        ack_id, answer = await self.poller.acknowledgement()
        assert (ack_id, answer["ok"]) == (self.sent, True), answer
        message = answer["data"]["message"]
        assert (message["seq"], message["text"]) == (self.sent, TEXT)

    async def _taken(self, writer: asyncio.StreamWriter) -> None:
        """A few turns of the loop that both sides share: what was written is read in one of them."""
        for _ in range(4):
            await asyncio.sleep(0)


@pytest.fixture
async def sender(running: RunningNode, people: People) -> AsyncIterator[Sender]:
    client, _, conversation = await people.pair()
    async with aiohttp.ClientSession() as http:
        poller = await Poller.open(running.url, http)
        await poller.connect(client.token)
        yield Sender(poller, conversation, running)
        await poller.close()


def split(data: bytes, *points: int) -> list[bytes]:
    return [data[start:end] for start, end in pairwise((0, *points, len(data)))]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(points=st.lists(st.integers(1, LEAST_BYTES), min_size=1, max_size=12, unique=True).map(sorted))
async def test_a_long_message_in_any_pieces_arrives_once(sender: Sender, points: list[int]) -> None:
    request = sender.request()
    assert len(request) > LEAST_BYTES
    await sender.arrives(*split(request, *points))


async def test_split_around_every_seam(sender: Sender) -> None:
    """Before and after the end of the head, the first and the last bytes."""
    request = sender.request()
    seam, size = request.index(b"\r\n\r\n"), len(request)
    await sender.arrives(request)
    for point in (1, seam, seam + 2, seam + 4, seam + 5, seam + 6, size // 2, size - 2, size - 1):
        await sender.arrives(*split(sender.request(), point))


async def test_byte_by_byte(sender: Sender) -> None:
    request = sender.request()
    head = request.index(b"\r\n\r\n") + 4
    await sender.arrives(*split(request, *range(head, head + 400)))


@pytest.mark.soak
async def test_split_at_every_byte(sender: Sender) -> None:
    size = len(sender.request())
    sender.sent = 0
    for point in range(1, size):
        await sender.arrives(*split(sender.request(), point))
    heads = await sender.running.node.store.log.read.heads([sender.conversation])
    assert heads[sender.conversation] == sender.sent == size - 1


async def test_a_poller_that_is_cut_in_a_burst_receives_why(running: RunningNode, people: People) -> None:
    """The poll is open, and its answer holds less than what there is to say."""
    person = await people.make()
    async with aiohttp.ClientSession() as http:
        poller = await Poller.open(running.url, http)
        await poller.connect(person.token)
        (socket,) = running.node.gateway.eio.sockets.values()
        hearing = asyncio.create_task(poller.packet())
        await until(lambda: isinstance(socket.transport, PollingTransport) and socket.transport.polled)
        typing = TypingChanged(conversation_id="0" * 24, user_id="0" * 24, active=True)
        for _ in range(40):
            running.node.publisher.publish(typing, rooms.user(person.id))
        running.node.registry.cut(person.id, "logout")
        received = [await hearing, *[await poller.packet() for _ in range(40)]]
        assert [packet for packet in received if '"typing"' in packet] == received[:40]
        assert received[-1] == '2/conversations,["session:revoked",{"reason":"logout"}]'


async def test_a_poller_that_is_cut_receives_why_at_its_next_poll(running: RunningNode, people: People) -> None:
    person = await people.make()
    async with aiohttp.ClientSession() as http:
        poller = await Poller.open(running.url, http)
        await poller.connect(person.token)
        running.node.registry.cut(person.id, "logout")
        async with http.get(poller.url) as response:
            said = '42/conversations,["session:revoked",{"reason":"logout"}]'
            assert (response.status, await response.text()) == (200, said)
        # What it was about to ask would otherwise fail before it has been told.
        assert await poller.post("42/conversations,[]") == "ok"
        async with http.get(poller.url) as response:
            assert (response.status, await response.text()) == (200, "1")
        async with http.get(poller.url) as response:
            assert response.status == 400
