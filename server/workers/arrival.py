"""A connection that another worker accepted and that goes on here."""

from __future__ import annotations

import asyncio
import socket
from typing import cast

from aiohttp import web


async def adopt(server: web.Server, file: int, data: bytes) -> None:
    """Serve the connection as if ``data`` had just been read from it."""
    connection = socket.socket(fileno=file)
    loop = asyncio.get_running_loop()
    try:
        connection.setblocking(False)
        await loop.connect_accepted_socket(lambda: _Arrival(server, data), connection)
    except BaseException:
        connection.close()
        raise


class _Arrival(asyncio.Protocol):
    """Puts aiohttp in its own place with the first bytes, before anything more can be read."""

    def __init__(self, server: web.Server, data: bytes) -> None:
        self._server, self._data = server, data

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        handler = self._server()
        cast(asyncio.Transport, transport).set_protocol(handler)
        handler.connection_made(transport)
        handler.data_received(self._data)
