"""The engine in a process of its own making: an echo server, an HTTP client, and raw sockets."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import aiohttp
from aiohttp import web

from server.engineio import EngineSocket
from server.http.connections import HttpConnections
from server.http.server import HttpRunner
from tests.harness.waiting import until
from tests.server.engineio.stock_engine import StockEngine

WITHIN = 5.0
# What a request counts for among what is unfinished, besides its body.
REQUEST_WEIGHT = 16_000
MORE, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10


class Harness:
    """An echo server whose sockets, messages and closes can be waited for."""

    def __init__(self, **options: Any) -> None:
        self.engine = StockEngine(**{"ping_interval": 25, "ping_timeout": 20, **options})
        self.engine.handlers.clear()
        self.engine.on_open = self._opened
        self.engine.on_message = self._received
        self.engine.on_close = self._closed
        self.opened: asyncio.Queue[EngineSocket] = asyncio.Queue()
        self.closed: asyncio.Queue[tuple[EngineSocket, str]] = asyncio.Queue()
        self.received: list[str | bytes] = []
        self.echoing = True

    def _opened(self, socket: EngineSocket) -> None:
        self.opened.put_nowait(socket)

    def _received(self, socket: EngineSocket, data: str | bytes) -> None:
        self.received.append(data)
        if not self.echoing:
            return
        if isinstance(data, str):
            socket.send_text(data)
        else:
            socket.send_binary(data)

    def _closed(self, socket: EngineSocket, reason: str) -> None:
        self.closed.put_nowait((socket, reason))

    async def start(self) -> None:
        app = web.Application()
        self.engine.attach(app)
        self._connections = HttpConnections(None)
        self._runner = HttpRunner(app, self._connections, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.port: int = self._runner.addresses[0][1]
        self.http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=WITHIN))

    async def stop(self) -> None:
        await self.http.close()
        await self.engine.shutdown()
        await self._runner.cleanup()
        self._connections.stop()

    # --- what a client does ---

    def url(self, query: str) -> str:
        return f"http://127.0.0.1:{self.port}/engine.io/?{query}"

    async def get(self, query: str, **options: Any) -> tuple[int, str]:
        async with self.http.get(self.url(query), **options) as response:
            return response.status, await response.text()

    async def open_polling(self) -> str:
        status, body = await self.get("EIO=4&transport=polling")
        assert status == 200
        return str(json.loads(body[1:])["sid"])

    async def poll(self, sid: str) -> tuple[int, str]:
        return await self.get(f"EIO=4&transport=polling&sid={sid}")

    async def post(self, sid: str, body: str | bytes, **options: Any) -> tuple[int, str]:
        address = self.url(f"EIO=4&transport=polling&sid={sid}")
        async with self.http.post(address, data=body, **options) as response:
            return response.status, await response.text()

    async def websocket(self, sid: str | None = None, **options: Any) -> aiohttp.ClientWebSocketResponse:
        query = "EIO=4&transport=websocket" + (f"&sid={sid}" if sid else "")
        websocket: aiohttp.ClientWebSocketResponse = await self.http.ws_connect(self.url(query), **options)
        return websocket

    async def open_websocket(self, **options: Any) -> aiohttp.ClientWebSocketResponse:
        """A WebSocket past its OPEN packet."""
        websocket = await self.websocket(**options)
        assert (await text(websocket)).startswith("0{")
        return websocket

    async def raw(self, request: str = "", body: bytes = b"") -> Raw:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        raw = Raw(reader, writer)
        if request:
            writer.write(request.replace("\n", "\r\n").encode() + b"\r\n\r\n" + body)
        return raw

    async def raw_websocket(self) -> Raw:
        """A WebSocket whose frames are made by hand, past its OPEN packet."""
        raw = await self.raw(
            "GET /engine.io/?EIO=4&transport=websocket HTTP/1.1\nHost: 127.0.0.1\nUpgrade: websocket\n"
            "Connection: Upgrade\nSec-WebSocket-Version: 13\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
        )
        assert (await raw.head()).startswith("HTTP/1.1 101")
        assert (await raw.frame())[1].startswith(b"0{")
        return raw

    # --- what the server side sees ---

    async def socket(self) -> EngineSocket:
        return await asyncio.wait_for(self.opened.get(), WITHIN)

    async def ended(self) -> str:
        """Why the next socket ended."""
        return (await asyncio.wait_for(self.closed.get(), WITHIN))[1]

    async def poll_open(self, socket: EngineSocket) -> None:
        """Waits until the client's poll has reached the server."""
        await until(lambda: getattr(socket.transport, "polled", True))


class Raw:
    """A TCP connection written and read by hand."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def head(self) -> str:
        return (await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), WITHIN)).decode()

    async def response(self) -> tuple[int, bytes]:
        head = await self.head()
        length = next(int(line[16:]) for line in head.split("\r\n") if line.lower().startswith("content-length: "))
        return int(head.split()[1]), await asyncio.wait_for(self.reader.readexactly(length), WITHIN)

    async def frame(self) -> tuple[int, bytes]:
        """Opcode and payload of the next frame."""
        first, size = await asyncio.wait_for(self.reader.readexactly(2), WITHIN)
        if size == 126:
            size = int.from_bytes(await self.reader.readexactly(2), "big")
        elif size == 127:
            size = int.from_bytes(await self.reader.readexactly(8), "big")
        return first & 15, await asyncio.wait_for(self.reader.readexactly(size), WITHIN)

    def send(self, opcode: int, payload: bytes, *, fin: bool = True, mask: bytes = b"\x01\x02\x03\x04") -> None:
        self.writer.write(masked(opcode, payload, fin=fin, mask=mask))

    async def eof(self) -> bytes:
        """Everything up to the end of the connection."""
        try:
            return await asyncio.wait_for(self.reader.read(), WITHIN)
        except ConnectionError:
            return b""

    def close(self) -> None:
        self.writer.close()


def masked(opcode: int, payload: bytes, *, fin: bool = True, mask: bytes = b"\x01\x02\x03\x04") -> bytes:
    """A client's frame."""
    size = len(payload)
    head = bytes([(0x80 if fin else 0) | opcode])
    if size < 126:
        head += bytes([0x80 | size])
    elif size < 65536:
        head += b"\xfe" + size.to_bytes(2, "big")
    else:
        head += b"\xff" + size.to_bytes(8, "big")
    # As one number: megabytes, byte by byte, take seconds of a run.
    key = int.from_bytes((mask * (size // 4 + 1))[:size], "big")
    return head + mask + (int.from_bytes(payload, "big") ^ key).to_bytes(size, "big")


async def text(websocket: aiohttp.ClientWebSocketResponse) -> str:
    """The next text message."""
    message = await websocket.receive(timeout=WITHIN)
    assert message.type is aiohttp.WSMsgType.TEXT, message
    return str(message.data)


async def closing_code(websocket: aiohttp.ClientWebSocketResponse) -> int | None:
    """The code with which the server closes; what comes before it is skipped."""
    while True:
        message = await websocket.receive(timeout=WITHIN)
        if message.type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.CLOSING):
            return websocket.close_code
