"""A middlebox that lets the handshake of a WebSocket through and keeps the server's frames to itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit


class Middlebox:
    """Passes requests on and counts the polls; what a server says on a WebSocket is held until ``release``."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._released = asyncio.Event()
        self._websockets: set[asyncio.StreamWriter] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self.port = 0
        self.polls = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._pass, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        for writer in tuple(self._writers):
            writer.transport.abort()
        self._released.set()

    def release(self) -> None:
        """Pass on what was held, and all that follows."""
        self._released.set()

    def cut(self) -> None:
        """Break the held WebSockets off."""
        for writer in self._websockets:
            writer.transport.abort()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(*self._target)
        self._writers |= {writer, back}
        try:
            await asyncio.gather(
                self._requests(reader, writer, back), self._answers(there, writer), return_exceptions=True
            )
        finally:
            self._writers -= {writer, back}

    async def _requests(
        self, reader: asyncio.StreamReader, client: asyncio.StreamWriter, server: asyncio.StreamWriter
    ) -> None:
        try:
            # Each request of the clients here arrives in a chunk of its own.
            while chunk := await reader.read(65536):
                self.polls += chunk.startswith(b"GET") and b"transport=polling" in chunk
                if b"upgrade: websocket" in chunk.lower():
                    self._websockets.add(client)
                server.write(chunk)
        finally:
            server.close()

    async def _answers(self, reader: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        try:
            while chunk := await reader.read(65536):
                if client in self._websockets and not self._released.is_set():
                    head, end, chunk = chunk.partition(b"\r\n\r\n")
                    client.write(head + end)
                    await self._released.wait()
                client.write(chunk)
        finally:
            client.close()


@asynccontextmanager
async def middlebox(url: str) -> AsyncIterator[Middlebox]:
    """In front of the server that the URL names."""
    target = urlsplit(url)
    assert target.hostname and target.port
    made = Middlebox(target.hostname, target.port)
    await made.start()
    try:
        yield made
    finally:
        await made.stop()
