"""A socket spoken by hand: Engine.IO frames over a plain WebSocket client, so that anything at all can be sent."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as open_websocket
from websockets.exceptions import ConnectionClosed

from domain.wire.events import CONVERSATIONS
from tests.harness.devices import TIMEOUT_SECONDS

Data = dict[str, Any]
# CONNECT_ERROR of a namespace that there is not; to be formatted with its name and a comma.
UNKNOWN_NAMESPACE = '4{}{{"message":"Invalid namespace","data":{{"code":"not_found"}}}}'


class Raw:
    """One question at a time: what is received while waiting for an answer is kept in ``received``."""

    def __init__(self, websocket: ClientConnection) -> None:
        self.websocket = websocket
        self.received: list[str] = []
        self._ids = 0

    async def send(self, packet: str) -> None:
        """A Socket.IO packet."""
        await self.websocket.send("4" + packet)

    async def receive(self) -> str:
        """The next Socket.IO packet; pings are answered meanwhile."""
        async with asyncio.timeout(TIMEOUT_SECONDS):
            return await self._next()

    async def _next(self) -> str:
        while True:
            frame = await self.websocket.recv()
            assert isinstance(frame, str)
            if frame == "2":
                await self.websocket.send("3")
            elif frame[0] == "4":
                return frame[1:]

    async def until(self, start: str) -> str:
        """What follows ``start`` in the first packet that begins with it and was not asked for yet; others are kept."""
        for at, packet in enumerate(self.received):
            if packet.startswith(start):
                del self.received[at]
                return packet[len(start) :]
        while not (packet := await self.receive()).startswith(start):
            self.received.append(packet)
        return packet[len(start) :]

    async def connect(self, token: object = None, namespace: str = CONVERSATIONS) -> Data:
        """The answer to a CONNECT: ``{sid}``, or ``{message, data}`` when it was refused."""
        await self.send(f"0{namespace},{json.dumps({'token': token})}")
        return await self.answer_to_connect(namespace)

    async def answer_to_connect(self, namespace: str = CONVERSATIONS) -> Data:
        while True:
            packet = await self.receive()
            for start in (f"0{namespace},", f"4{namespace},"):
                if packet.startswith(start):
                    return dict(json.loads(packet[len(start) :]))
            self.received.append(packet)

    async def ask(self, event: str, argument: str, namespace: str = CONVERSATIONS) -> Data:
        """The acknowledgement of an event whose argument is given as JSON text, however wrong."""
        return await self.acknowledged(f'["{event}",{argument}]', namespace)

    async def acknowledged(self, payload: str, namespace: str = CONVERSATIONS) -> Data:
        """The acknowledgement of a whole event payload."""
        return await self.answer_to(await self.submit(payload, namespace), namespace)

    async def submit(self, payload: str, namespace: str = CONVERSATIONS) -> int:
        """Send an event without waiting; answers its acknowledgement id."""
        self._ids += 1
        await self.send(f"2{namespace},{self._ids}{payload}")
        return self._ids

    async def answer_to(self, ack_id: int, namespace: str = CONVERSATIONS) -> Data:
        (envelope,) = json.loads("[" + await self.until(f"3{namespace},{ack_id}["))
        return dict(envelope)

    async def event(self, name: str, namespace: str = CONVERSATIONS) -> Data:
        """The data of the next event of a name."""
        return dict(json.loads("[" + await self.until(f'2{namespace},["{name}",'))[0])

    async def is_usable(self, namespace: str = CONVERSATIONS) -> bool:
        """Whether a command is acknowledged still."""
        answer = await self.ask("no:such:event", "{}", namespace)
        return bool(answer["error"]["code"] == "unknown_event")

    async def closed(self) -> int | None:
        """Wait for the server to close; answers the WebSocket's close code."""
        try:
            while True:
                self.received.append(await self.receive())
        except ConnectionClosed as end:
            return end.rcvd.code if end.rcvd else None


class Attentive(Raw):
    """Answers pings though nobody asks it anything for longer than a heartbeat."""

    def __init__(self, websocket: ClientConnection) -> None:
        super().__init__(websocket)
        self._packets: asyncio.Queue[str | ConnectionClosed] = asyncio.Queue()
        self._reading = asyncio.create_task(self._read())

    async def receive(self) -> str:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            packet = await self._packets.get()
        if isinstance(packet, ConnectionClosed):
            raise packet
        return packet

    async def _read(self) -> None:
        try:
            while True:
                self._packets.put_nowait(await self._next())
        except ConnectionClosed as end:
            self._packets.put_nowait(end)


@asynccontextmanager
async def raw_socket(url: str, address: str | None = None, kind: type[Raw] = Raw) -> AsyncIterator[Raw]:
    """A WebSocket past its OPEN packet, in no namespace yet; ``address`` is what a proxy would say of it."""
    target = url.replace("http", "ws", 1) + "/socket.io/?EIO=4&transport=websocket"
    plain: dict[str, Any] = {"compression": None, "max_size": None, "ping_interval": None, "close_timeout": 5}
    if address is not None:
        plain["additional_headers"] = {"X-Forwarded-For": address}
    async with open_websocket(target, **plain) as websocket:
        assert str(await websocket.recv()).startswith("0{")
        yield kind(websocket)


@asynccontextmanager
async def admitted(
    url: str, token: str, *namespaces: str, address: str | None = None, kind: type[Raw] = Raw
) -> AsyncIterator[Raw]:
    """Connected to namespaces (``/conversations`` when none is named)."""
    async with raw_socket(url, address, kind) as raw:
        for namespace in namespaces or (CONVERSATIONS,):
            assert "sid" in await raw.connect(token, namespace)
        yield raw
