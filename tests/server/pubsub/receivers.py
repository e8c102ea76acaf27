"""Something to receive with, and to wait with."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from server.pubsub.bus import Bus

TIMEOUT_SECONDS = 15.0


class Receiver:
    """Remembers what it received on a channel."""

    def __init__(self) -> None:
        self.received: list[bytes] = []
        self._changed = asyncio.Event()

    def __call__(self, payload: bytes) -> None:
        self.received.append(payload)
        self._changed.set()

    async def receive(self, count: int) -> list[bytes]:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            while len(self.received) < count:
                self._changed.clear()
                await self._changed.wait()
        return self.received


@asynccontextmanager
async def bus(url: str) -> AsyncIterator[Bus]:
    made = Bus(url)
    await made.start()
    try:
        yield made
    finally:
        await made.stop()
