"""Routing of requests: to a handshake, an upgrade, or one of the two requests of the polling transport."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

import aiohttp
from aiohttp import web

from rest.pace import go_on
from server.engineio import close_reasons, handshake, refusals, upgrade
from server.engineio.handshake import AcceptingEngine, OriginCheck, Query
from server.engineio.polling import Overlap, PollingTransport, text_response
from server.engineio.socket import EngineSocket
from server.engineio.transport import UnfinishedMessages
from server.protocol import frames

# What aiohttp keeps for a request that is being received, its connection included.
_REQUEST_BYTES = 16_000


class RoutingEngine(AcceptingEngine, Protocol):
    """What routing asks of the server."""

    origins: OriginCheck
    sockets: dict[str, EngineSocket]
    forward: Callable[[web.Request, str], Awaitable[web.StreamResponse | None]]

    @property
    def transports(self) -> list[str]: ...


async def answer_poll(socket: EngineSocket, transport: PollingTransport, request: web.Request) -> web.Response:
    """A GET: waits until there is something to send."""
    try:
        return text_response(await transport.poll(request))
    except Overlap:
        socket.engine.counters.bad_packets += 1
        socket.close(close_reasons.TRANSPORT_ERROR)
        raise refusals.bad_request() from None
    except ConnectionResetError:
        socket.abort(close_reasons.TRANSPORT_CLOSE)
        raise refusals.bad_request() from None


async def answer_post(socket: EngineSocket, transport: PollingTransport, request: web.Request) -> web.Response:
    """A POST: all of its packets are delivered, or none; a refused one ends the session, for its packets are lost."""
    if transport.posting:  # the order of two bodies at once is anybody's guess
        socket.close(close_reasons.TRANSPORT_ERROR)
        raise refusals.bad_request()
    transport.posting = True
    try:
        await _deliver(socket, transport, await _receive(socket, transport, request))
    except refusals.Refusal as refused:
        if refused.status == 413:
            socket.on_too_large()
        socket.close(close_reasons.TRANSPORT_ERROR)
        # To the JavaScript client the refusal is the end: what it is told by a poll has to come before.
        await socket.engine.closing_polls.fetched(socket.sid, socket.engine.limits.refusing_seconds)
        raise
    finally:
        transport.posting = False
    return text_response(b"ok")


async def _deliver(socket: EngineSocket, transport: PollingTransport, packets: list[frames.Packet]) -> None:
    for packet in packets:
        await transport.readable()
        if socket.closed:
            return
        if isinstance(packet, str):
            socket.on_text(packet)
        else:
            socket.on_binary(packet)


async def _receive(socket: EngineSocket, transport: PollingTransport, request: web.Request) -> list[frames.Packet]:
    engine = socket.engine
    length = request.content_length
    if length is None:
        raise refusals.length_required()
    if length > transport.bounds.message:
        raise refusals.too_large(transport.bounds.message)
    if length == 0 or request.headers.get("Content-Encoding", "identity") != "identity":
        raise refusals.bad_request()
    body = await _read_exactly(socket, transport, request, length)
    try:
        return frames.decode(body, engine.limits.packets_a_post)
    except frames.BadPayload:
        engine.counters.bad_packets += 1
        raise refusals.bad_request() from None


async def _read_exactly(socket: EngineSocket, transport: PollingTransport, request: web.Request, length: int) -> bytes:
    unfinished = transport.bounds.unfinished
    transport.reading = request.transport
    try:
        await go_on(request)
        return await _read_counted(request.content, length, unfinished, transport)
    except asyncio.CancelledError:
        socket.abort(close_reasons.TRANSPORT_CLOSE)
        raise
    except Exception:  # whatever aiohttp makes of a connection that breaks off
        socket.abort(close_reasons.TRANSPORT_CLOSE)
        raise refusals.bad_request() from None
    finally:
        transport.reading = None
        unfinished.release(transport)


async def _read_counted(
    content: aiohttp.StreamReader, length: int, unfinished: UnfinishedMessages, transport: PollingTransport
) -> bytes:
    part = await content.readany()
    if len(part) == length:
        return part
    body = bytearray()  # a list of parts would cost many times what tiny ones hold
    while part:
        body += part
        part = b""  # or it would be held twice
        if len(body) == length:
            return bytes(body)
        unfinished.hold(transport, len(body) + _REQUEST_BYTES)
        part = await content.readany()
    raise ConnectionResetError


async def answer(engine: RoutingEngine, request: web.Request) -> web.StreamResponse:
    """The answer to any request under the server's path."""
    if not engine.origins.accept(request):
        engine.counters.refused += 1
        return refusals.forbidden().response()
    try:
        response = await _route(engine, request)
    except refusals.Refusal as refused:
        engine.counters.refused += 1
        response = refused.response()
    if not response.prepared:
        response.headers.update(engine.origins.headers(request))
    return response


async def _route(engine: RoutingEngine, request: web.Request) -> web.StreamResponse:
    if request.method == "OPTIONS":
        return web.Response(status=204)
    asked = handshake.read(request, engine.transports)
    if asked.sid is None:
        return await handshake.open_session(engine, request, asked.transport)
    socket = engine.sockets.get(asked.sid)
    if socket is None:
        response = await engine.forward(request, asked.sid)
        if response is not None:
            return response
        return _last_words(engine, request, asked.sid)
    return await _continue(socket, request, asked)


def _last_words(engine: RoutingEngine, request: web.Request, sid: str) -> web.Response:
    """What a closed session had left; a refused POST would be an error before the client has fetched it."""
    if request.method == "POST" and sid in engine.closing_polls:
        return text_response(b"ok")
    body = engine.closing_polls.fetch(sid) if request.method == "GET" else None
    if body is None:
        raise refusals.unknown_session()
    return text_response(body)


async def _continue(socket: EngineSocket, request: web.Request, asked: Query) -> web.StreamResponse:
    if asked.transport == handshake.WEBSOCKET:
        return await upgrade.probe_session(socket, request)
    transport = socket.transport
    if not isinstance(transport, PollingTransport):
        raise refusals.bad_request()
    if request.method == "POST":
        return await answer_post(socket, transport, request)
    return await answer_poll(socket, transport, request)
