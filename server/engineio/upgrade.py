"""Hijacking aiohttp's connection for a WebSocket that needs neither request nor task; upgrades of polling sessions."""

from __future__ import annotations

import asyncio
from typing import Final, cast

from aiohttp import web
from aiohttp.http_websocket import WebSocketReader, WebSocketWriter

from server.engineio.socket import EngineSocket, Probe
from server.engineio.transport import SharedTransportState, TransportOwner
from server.engineio.websocket import WebSocketTransport

_SMALL: Final = 1024


class UpgradeResponse(web.WebSocketResponse):
    """Answers the WebSocket handshake and leaves everything after it to ``WebSocketTransport``."""

    def __init__(self) -> None:
        super().__init__(compress=False, max_msg_size=_SMALL)

    def _post_start(self, request: web.BaseRequest, protocol: str | None, writer: WebSocketWriter) -> None:
        self._writer = writer  # what marks the response as prepared; the reader is the WebSocket's own

    async def write_eof(self, data: bytes = b"") -> None:
        """The connection outlives the response."""


class _Tail:
    """Takes what arrived behind the upgrade request before the WebSocket was there."""

    def __init__(self) -> None:
        self.data = b""

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        self.data += data
        return False, b""

    def feed_eof(self) -> None:
        """The WebSocket is notified by the transport itself."""


def hijack(
    request: web.Request, shared: SharedTransportState, owner: TransportOwner, most: int
) -> tuple[WebSocketTransport, bytes]:
    """The transport under a new WebSocket, and bytes that were read already, to be fed to it.

    aiohttp's own protocol, its task, the request and its headers would cost about 10 KB for as long as the client
    stays, so aiohttp is notified that its connection is gone, and the transport goes on under the WebSocket.
    """
    transport, protocol = request.transport, request.protocol
    if transport is None or transport.is_closing():
        raise ConnectionResetError
    tail = _Tail()
    protocol.set_parser(cast(WebSocketReader, tail))
    websocket = WebSocketTransport(transport, shared, owner, most)
    protocol.transport = None
    transport.set_protocol(cast(asyncio.BaseProtocol, websocket))
    protocol.connection_lost(None)
    return websocket, tail.data


async def probe_session(socket: EngineSocket, request: web.Request) -> web.StreamResponse:
    """Let the client try the WebSocket; one that is not wanted is accepted and closed, as clients expect it."""
    engine = socket.engine
    probe = Probe(socket)
    if engine.upgradable and socket.probe is None and not socket.upgraded:
        socket.probe = probe
    response = UpgradeResponse()
    try:
        await response.prepare(request)
        websocket, tail = hijack(request, engine.transport_state, probe, engine.max_http_buffer_size)
    except ConnectionError:
        probe.fail()
        return response
    probe.transport = websocket
    # Also what follows the upgrade in one piece is by the session's limit.
    websocket.limit(socket.bounds)
    if socket.probe is not probe:  # not wanted, or the session ended meanwhile
        websocket.close()
        return response
    engine.probes.start(probe)
    if tail:
        websocket.data_received(tail)
    return response
