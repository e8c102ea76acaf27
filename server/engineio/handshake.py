"""New sessions: what a request asks for, which origins may ask, and how a session begins."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, Protocol
from urllib.parse import urlsplit

from aiohttp import web

from domain.networks import allows_origin
from server.engineio import close_reasons, refusals
from server.engineio.polling import PollingTransport, text_response
from server.engineio.socket import Engine, EngineSocket
from server.engineio.upgrade import UpgradeResponse, hijack
from server.protocol import frames
from server.protocol.frames import SEPARATOR, Frame

POLLING: Final = "polling"
WEBSOCKET: Final = "websocket"


@dataclass(frozen=True, slots=True)
class Query:
    """A valid Engine.IO query; without a ``sid`` it asks for a new session."""

    transport: str
    sid: str | None


def read(request: web.Request, transports: list[str]) -> Query:
    """The query of ``request``; raises ``Refusal``."""
    parameters = request.query
    transport = parameters.get("transport")
    if transport is None or transport not in transports:
        raise refusals.unknown_transport()
    if parameters.get("EIO") != "4":
        raise refusals.unsupported_version()
    sid = parameters.get("sid")
    if request.method != "GET" and (request.method != "POST" or sid is None):
        raise refusals.bad_method()
    if "j" in parameters or not _carries(request, transport):
        raise refusals.bad_request()
    return Query(transport, sid)


def _carries(request: web.Request, transport: str) -> bool:
    asks_websocket = request.headers.get("Upgrade", "").strip().lower() == "websocket"
    if transport == WEBSOCKET:
        return asks_websocket and request.method == "GET" and web.WebSocketResponse().can_prepare(request).ok
    return not asks_websocket


_PREFLIGHT_SECONDS: Final = "600"


class OriginCheck:
    """An explicit list; with none, only pages from the host that is asked. Native clients send no Origin at all."""

    __slots__ = ("_allowed", "_credentials")

    def __init__(self, allowed: str | Iterable[str] | None, credentials: bool) -> None:
        self._credentials = credentials
        listed = [allowed] if isinstance(allowed, str) else allowed
        self._allowed = None if listed is None else frozenset(listed)

    def accept(self, request: web.Request) -> bool:
        """Whether the request may be served."""
        origin = request.headers.get("Origin")
        if origin is None:
            return True
        if self._allowed is not None:
            return allows_origin(self._allowed, origin)
        host = urlsplit(origin).netloc
        return bool(host) and host.lower() == request.host.lower()

    def headers(self, request: web.Request) -> dict[str, str]:
        """What lets the page of an accepted origin read the answer."""
        origin = request.headers.get("Origin")
        if origin is None:
            return {}
        headers = {"Access-Control-Allow-Origin": origin, "Vary": "Origin"}
        if self._credentials:
            headers["Access-Control-Allow-Credentials"] = "true"
        if request.method == "OPTIONS":
            headers["Access-Control-Allow-Methods"] = "GET, POST, OPTIONS"
            headers["Access-Control-Max-Age"] = _PREFLIGHT_SECONDS
            asked = request.headers.get("Access-Control-Request-Headers")
            if asked is not None:
                headers["Access-Control-Allow-Headers"] = asked
        return headers


class AcceptingEngine(Engine, Protocol):
    """What a handshake asks of the server. ``before_open`` may refuse a session by raising ``Refusal``."""

    draining: bool
    ping_interval: float
    ping_timeout: float
    client_address: Callable[[web.Request], str]

    def is_full(self, address: str) -> bool: ...
    def generate_id(self) -> str: ...
    def register(self, socket: EngineSocket) -> EngineSocket: ...
    def start(self, socket: EngineSocket) -> None: ...
    async def before_open(self, socket: EngineSocket, request: web.Request) -> None: ...


async def open_session(engine: AcceptingEngine, request: web.Request, transport: str) -> web.StreamResponse:
    """The handshake: who is refused never had a session."""
    socket = _admit(engine, request)
    try:
        await engine.before_open(socket, request)
        if transport == POLLING:
            return _open_polling(engine, socket)
        return await _open_websocket(engine, socket, request)
    except BaseException:
        socket.abort(close_reasons.TRANSPORT_CLOSE)
        raise


def _admit(engine: AcceptingEngine, request: web.Request) -> EngineSocket:
    if engine.draining:
        raise refusals.shutting_down()
    address = engine.client_address(request)
    if engine.is_full(address):
        raise refusals.too_many()
    return engine.register(EngineSocket(engine, engine.generate_id(), address))


def _open_polling(engine: AcceptingEngine, socket: EngineSocket) -> web.Response:
    transport = socket.transport
    first = open_packet(engine, socket.sid, ["websocket"] if engine.upgradable else []).polled
    engine.start(socket)
    waiting = transport.take() if isinstance(transport, PollingTransport) else b""
    return text_response(first + SEPARATOR + waiting if waiting else first)


async def _open_websocket(engine: AcceptingEngine, socket: EngineSocket, request: web.Request) -> web.StreamResponse:
    response = UpgradeResponse()
    try:
        await response.prepare(request)
        websocket, tail = hijack(request, engine.transport_state, socket, engine.max_http_buffer_size)
    except ConnectionError:
        socket.abort(close_reasons.TRANSPORT_CLOSE)
        return response
    websocket.send_packet(open_packet(engine, socket.sid, []))
    socket.move(websocket)
    engine.start(socket)
    if tail:
        websocket.data_received(tail)
    return response


def open_packet(engine: AcceptingEngine, sid: str, upgrades: list[str]) -> Frame:
    """The OPEN packet; times go out in exact milliseconds."""
    facts = {
        "sid": sid,
        "upgrades": upgrades,
        "pingInterval": round(engine.ping_interval * 1000),
        "pingTimeout": round(engine.ping_timeout * 1000),
        "maxPayload": engine.max_http_buffer_size,
    }
    return frames.packet(b"0" + json.dumps(facts, separators=(",", ":")).encode())
