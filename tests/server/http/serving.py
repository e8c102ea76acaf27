"""A small server whose connections are watched, with little patience."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiohttp import web

from rest.pace import PACED
from server.http.connections import HttpConnections
from server.http.server import HttpRunner
from tests.harness.devices import TIMEOUT_SECONDS

LOOK_EVERY = 0.15
UNREAD = 0.6
LARGE = 2_000_000


@dataclass
class Web:
    connections: HttpConnections
    port: int
    waiting: asyncio.Event
    go_on: asyncio.Event

    async def open(
        self, data: bytes = b"", receives: int | None = None
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """``receives``: how much the kernel may take in before it is read."""
        end = socket.socket()
        if receives is not None:
            end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receives)
        end.setblocking(False)
        await asyncio.get_running_loop().sock_connect(end, ("127.0.0.1", self.port))
        reader, writer = await asyncio.open_connection(sock=end)
        writer.write(data)
        return reader, writer


def send_little(request: web.Request) -> None:
    """The kernel holds little of an answer, so that the server sees it being taken."""
    assert request.transport is not None
    request.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8192)


@asynccontextmanager
async def serving(most: int | None = None) -> AsyncIterator[Web]:
    made = Web(HttpConnections(most, LOOK_EVERY, UNREAD), 0, asyncio.Event(), asyncio.Event())

    async def echo(request: web.Request) -> web.Response:
        return web.Response(body=await request.read())

    async def wait(request: web.Request) -> web.Response:
        made.waiting.set()
        await made.go_on.wait()
        return web.Response(text="at last")

    async def paced(request: web.Request) -> web.Response:
        request[PACED] = True
        made.waiting.set()
        await made.go_on.wait()
        return web.Response(status=400)

    async def websocket(request: web.Request) -> web.WebSocketResponse:
        response = web.WebSocketResponse()
        await response.prepare(request)
        await response.receive()
        return response

    async def large(request: web.Request) -> web.Response:
        send_little(request)
        return web.Response(body=bytes(LARGE))

    async def streamed(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        send_little(request)
        for _ in range(0, LARGE, 50_000):
            await response.write(bytes(50_000))
        return response

    async def little_more(request: web.Request) -> web.StreamResponse:
        """As much as the kernel takes and a little more, which clogs nothing."""
        response = web.StreamResponse()
        await response.prepare(request)
        assert request.transport is not None
        while not request.transport.get_write_buffer_size():
            await response.write(bytes(5_000))
        return response

    async def kept(request: web.Request) -> web.Response:
        """The kernel takes all of it."""
        return web.Response(body=bytes(30_000))

    app = web.Application()
    app.add_routes([web.route("*", "/", echo), web.route("*", "/wait", wait), web.get("/socket", websocket)])
    app.add_routes([web.get("/large", large), web.get("/streamed", streamed), web.get("/little-more", little_more)])
    app.add_routes([web.get("/kept", kept), web.post("/paced", paced)])
    runner = HttpRunner(app, made.connections, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.port = runner.addresses[0][1]
    yield made
    made.go_on.set()
    await runner.cleanup()
    assert len(made.connections) == 0
    made.connections.stop()


async def ended(reader: asyncio.StreamReader) -> bytes:
    try:
        return await asyncio.wait_for(reader.read(), TIMEOUT_SECONDS)
    except ConnectionError:
        return b""
