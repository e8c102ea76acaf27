"""Another system, on loopback: it keeps what it is sent, and answers as the test says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from standardwebhooks import Webhook

from tests.harness.devices import TIMEOUT_SECONDS


@dataclass
class Received:
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    def verified(self, secret: str) -> Any:
        """As the receivers' own library has it."""
        return Webhook(secret).verify(self.body, self.headers)


@dataclass
class Receiver:
    """``replies``: status and headers of the next answers; after that everything is taken. While ``open`` is not set
    nothing is answered. ``taken`` has what was answered with 2xx, ``tries`` counts all."""

    replies: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    taken: asyncio.Queue[Received] = field(default_factory=asyncio.Queue)
    refused: asyncio.Queue[Received] = field(default_factory=asyncio.Queue)
    held: asyncio.Queue[Received] = field(default_factory=asyncio.Queue)
    open: asyncio.Event = field(default_factory=asyncio.Event)
    endless: bool = False
    tries: int = 0
    url: str = ""

    def __post_init__(self) -> None:
        self.open.set()

    async def next(self) -> Received:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            return await self.taken.get()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        got = Received({name.lower(): value for name, value in request.headers.items()}, await request.read())
        self.tries += 1
        if not self.open.is_set():
            self.held.put_nowait(got)
        await self.open.wait()
        status, headers = self.replies.pop(0) if self.replies else (200, {})
        (self.taken if status < 300 else self.refused).put_nowait(got)
        if self.endless:
            stream = web.StreamResponse()
            await stream.prepare(request)
            while True:
                await stream.write(bytes(65_536))
        return web.Response(status=status, headers=headers)


@asynccontextmanager
async def receiving(receiver: Receiver, **tls: Any) -> AsyncIterator[Receiver]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", receiver.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, **tls)
    await site.start()
    scheme = "https" if tls else "http"
    receiver.url = f"{scheme}://127.0.0.1:{runner.addresses[0][1]}/hook"
    try:
        yield receiver
    finally:
        receiver.open.set()
        await runner.cleanup()
