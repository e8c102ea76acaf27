"""The two requests of the polling transport."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from aiohttp import web

from server.sockets.engine import payload, reasons, refusal
from server.sockets.engine.polling_link import Overlap, PollingLink

if TYPE_CHECKING:
    from server.sockets.engine.engine_socket import EngineSocket


def text_response(body: bytes) -> web.Response:
    """A polling body. Never compressed: lengths of compressed secrets leak, and most bodies are tiny."""
    headers = {"Content-Type": "text/plain; charset=UTF-8", "Cache-Control": "no-store"}
    return web.Response(body=body, headers=headers)


async def answer_poll(socket: EngineSocket, link: PollingLink, request: web.Request) -> web.Response:
    """A GET: waits until there is something to say."""
    try:
        return text_response(await link.poll(request))
    except Overlap:
        socket.engine.counters.bad_packets += 1
        socket.close(reasons.TRANSPORT_ERROR)
        raise refusal.bad_request() from None
    except ConnectionResetError:
        socket.abort(reasons.TRANSPORT_CLOSE)
        raise refusal.bad_request() from None


async def answer_post(socket: EngineSocket, link: PollingLink, request: web.Request) -> web.Response:
    """A POST: all of its packets are delivered, or none; a refused one ends the session, for its packets are lost."""
    if link.posting:  # the order of two bodies at once is anybody's guess
        socket.close(reasons.TRANSPORT_ERROR)
        raise refusal.bad_request()
    link.posting = True
    try:
        await _deliver(socket, link, await _receive(socket, link, request))
    except refusal.Refusal:
        socket.close(reasons.TRANSPORT_ERROR)
        raise
    finally:
        link.posting = False
    return text_response(b"ok")


async def _deliver(socket: EngineSocket, link: PollingLink, packets: list[payload.Packet]) -> None:
    for packet in packets:
        await link.readable()
        if socket.closed:
            return
        if isinstance(packet, str):
            socket.on_text(packet)
        else:
            socket.on_binary(packet)


async def _receive(socket: EngineSocket, link: PollingLink, request: web.Request) -> list[payload.Packet]:
    engine = socket.engine
    length = request.content_length
    if length is None:
        raise refusal.length_required()
    if length > engine.max_http_buffer_size:
        raise refusal.too_large()
    if length == 0 or request.headers.get("Content-Encoding", "identity") != "identity":
        raise refusal.bad_request()
    body = await _read_exactly(socket, link, request, length)
    try:
        return payload.decode(body, engine.limits.packets_a_post)
    except payload.BadPacket:
        engine.counters.bad_packets += 1
        raise refusal.bad_request() from None


async def _read_exactly(socket: EngineSocket, link: PollingLink, request: web.Request, length: int) -> bytes:
    link.reading = request.transport
    try:
        return await request.content.readexactly(length)
    except asyncio.CancelledError:
        socket.abort(reasons.TRANSPORT_CLOSE)
        raise
    except Exception:  # whatever aiohttp makes of a connection that breaks off
        socket.abort(reasons.TRANSPORT_CLOSE)
        raise refusal.bad_request() from None
    finally:
        link.reading = None
