"""New sessions."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from aiohttp import web

from server.sockets.engine import frames, polling_http, query, reasons, refusal
from server.sockets.engine.engine_socket import EngineSocket
from server.sockets.engine.environ import describe
from server.sockets.engine.frames import Frame
from server.sockets.engine.payload import SEPARATOR
from server.sockets.engine.polling_link import PollingLink
from server.sockets.engine.takeover import UpgradeResponse, take_over

if TYPE_CHECKING:
    from server.sockets.engine.server import EngineServer


async def open_session(engine: EngineServer, request: web.Request, transport: str) -> web.StreamResponse:
    """The handshake: who is refused never had a session."""
    socket = _admit(engine, request)
    try:
        if "connect" in engine.handlers:
            await _greet(engine, socket, request)
        if transport == query.POLLING:
            return _open_polling(engine, socket)
        return await _open_websocket(engine, socket, request)
    except BaseException:
        socket.abort(reasons.TRANSPORT_CLOSE)
        raise


def _admit(engine: EngineServer, request: web.Request) -> EngineSocket:
    if engine.draining:
        raise refusal.shutting_down()
    address = engine.client_address(request)
    if engine.is_full(address):
        raise refusal.too_many()
    return engine.register(EngineSocket(engine, engine.generate_id(), address))


async def _greet(engine: EngineServer, socket: EngineSocket, request: web.Request) -> None:
    verdict = await engine.trigger("connect", socket.sid, describe(request, socket.remote_address))
    if (verdict is not None and verdict is not True) or socket.closed:
        raise refusal.Refusal(401, 4, "Unauthorized")


def _open_polling(engine: EngineServer, socket: EngineSocket) -> web.Response:
    link = socket.link
    first = opening_packet(engine, socket.sid, ["websocket"] if engine.upgradable else []).polled
    engine.start(socket)
    waiting = link.take() if isinstance(link, PollingLink) else b""
    return polling_http.text_response(first + SEPARATOR + waiting if waiting else first)


async def _open_websocket(engine: EngineServer, socket: EngineSocket, request: web.Request) -> web.StreamResponse:
    response = UpgradeResponse()
    try:
        await response.prepare(request)
        link, tail = take_over(request, engine.upkeep, socket, engine.max_http_buffer_size)
    except ConnectionError:
        socket.abort(reasons.TRANSPORT_CLOSE)
        return response
    link.send_packet(opening_packet(engine, socket.sid, []))
    socket.move(link)
    engine.start(socket)
    if tail:
        link.data_received(tail)
    return response


def opening_packet(engine: EngineServer, sid: str, upgrades: list[str]) -> Frame:
    """The OPEN packet; times go out in exact milliseconds."""
    facts = {
        "sid": sid,
        "upgrades": upgrades,
        "pingInterval": round(engine.ping_interval * 1000),
        "pingTimeout": round(engine.ping_timeout * 1000),
        "maxPayload": engine.max_http_buffer_size,
    }
    return frames.packet(b"0" + json.dumps(facts, separators=(",", ":")).encode())
