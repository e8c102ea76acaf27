"""The polling transport by hand: packets in, packets out."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from typing import Any

import aiohttp

from domain.wire.events import CONVERSATIONS
from tests.server.sockets.raw import Data

SEPARATOR = "\x1e"


class Poller:
    """Polls only when a packet is wanted."""

    def __init__(self, url: str, http: aiohttp.ClientSession) -> None:
        self.url = url
        self._http = http
        self._packets: deque[str] = deque()

    @classmethod
    async def open(cls, url: str, http: aiohttp.ClientSession) -> Poller:
        address = f"{url}/socket.io/?EIO=4&transport=polling"
        async with http.get(address) as response:
            opening = json.loads((await response.text())[1:])
        return cls(f"{address}&sid={opening['sid']}", http)

    async def post(self, *packets: str) -> str:
        """Engine.IO packets in one body."""
        async with self._http.post(self.url, data=SEPARATOR.join(packets).encode()) as response:
            return await response.text()

    def post_soon(self, *packets: str) -> asyncio.Task[str]:
        return asyncio.create_task(self.post(*packets))

    async def packet(self) -> str:
        """The next Socket.IO packet; pings are answered meanwhile."""
        while True:
            while not self._packets:
                async with self._http.get(self.url) as response:
                    body = await response.text()
                    assert response.status == 200, body
                self._packets.extend(body.split(SEPARATOR))
            packet = self._packets.popleft()
            if packet == "2":
                await self.post("3")
            elif packet[0] == "4":
                return packet[1:]

    async def connect(self, token: str, namespace: str = CONVERSATIONS) -> Data:
        await self.post(f"40{namespace},{json.dumps({'token': token})}")
        packet = await self.packet()
        assert packet.startswith(f"0{namespace},"), packet
        return dict(json.loads(packet.partition(",")[2]))

    async def acknowledgement(self, namespace: str = CONVERSATIONS) -> tuple[int, Data]:
        """The next acknowledgement's id and envelope; events are passed over."""
        start = f"3{namespace},"
        while not (packet := await self.packet()).startswith(start):
            pass
        ack_id, _, envelope = packet[len(start) :].partition("[")
        found: list[Any] = json.loads("[" + envelope)
        return int(ack_id), found[0]

    async def close(self) -> None:
        await self.post("1")
