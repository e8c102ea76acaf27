"""Descriptor hand-off: a connection leaves this process with the request it carries and goes on in another.

The request is rebuilt as it stood on the wire from what aiohttp made of it.
"""

from __future__ import annotations

import asyncio
import socket
from typing import Final, cast

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter

from server.workers.ipc import IpcQueueFull, IpcSender

# A body in either of these is refused by its owner unseen, and what aiohttp decoded of it cannot be encoded again.
_ENCODED: Final = (b"transfer-encoding", b"content-encoding")


class PipelinedRequest(Exception):
    """More was read from the connection than this one request."""


def taken_from(request: web.Request) -> bytes:
    """The request's head, and everything behind it that was read already: nobody else will get it."""
    protocol, message = request.protocol, request._message
    if protocol._messages:
        raise PipelinedRequest
    headers = list(message.raw_headers)
    if any(name.lower() in _ENCODED for name, _ in headers):
        return _head(request, _closing(headers))
    body = bytearray()
    while part := request.content.read_nowait():
        body += part
    if protocol._messages:  # room in the buffers may have let the parser go on
        raise PipelinedRequest
    return b"".join((_head(request, headers), body, protocol._message_tail))


def _head(request: web.Request, headers: list[tuple[bytes, bytes]]) -> bytes:
    message = request._message
    version = f"HTTP/{message.version.major}.{message.version.minor}"
    first = f"{message.method} {message.path} {version}".encode("utf-8", "surrogateescape")
    lines = [first, *(name + b": " + value for name, value in headers)]
    return b"\r\n".join((*lines, b"", b""))


def _closing(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Headers of a request without its body, after which the connection is of no use."""
    dropped = {b"connection", b"transfer-encoding", b"content-encoding"}
    if all(name.lower() != b"transfer-encoding" for name, _ in headers):
        return [*_without(headers, dropped | {b"content-length"}), (b"Content-Length", b"0"), (b"Connection", b"close")]
    return [*_without(headers, dropped | {b"content-length"}), (b"Connection", b"close")]


def _without(headers: list[tuple[bytes, bytes]], names: set[bytes]) -> list[tuple[bytes, bytes]]:
    return [(name, value) for name, value in headers if name.lower() not in names]


class HandedOff(web.StreamResponse):
    """What the handler returns for a request that somebody else answers."""

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """Nothing is written."""
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        """Nothing is written."""


async def hand_off(request: web.Request, sender: IpcSender, kind: bytes) -> web.StreamResponse:
    """Send the connection to another worker; what was not yet read from it stays in the kernel for the new owner."""
    transport = request.transport
    if transport is None or transport.is_closing():
        raise ConnectionResetError
    try:
        if transport.get_write_buffer_size():  # answers to earlier requests that were sent before this one's turn
            raise PipelinedRequest
        data = taken_from(request)
    except PipelinedRequest:
        return _refused()
    transport.pause_reading()
    try:
        await sender.send(kind + data, [transport.get_extra_info("socket").fileno()])
    except (IpcQueueFull, OSError):
        return _refused()
    # Closes our descriptor; the connection lives on in the message. aiohttp believes that its client left.
    request.protocol.connection_lost(None)
    return HandedOff()


def _refused() -> web.Response:
    response = web.Response(status=503, headers={"Retry-After": "1"})
    response.force_close()
    return response


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
