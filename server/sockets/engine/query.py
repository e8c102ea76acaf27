"""What a request asks for, checked before any session is touched."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from aiohttp import web

from server.sockets.engine import refusal

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
        raise refusal.unknown_transport()
    if parameters.get("EIO") != "4":
        raise refusal.unsupported_version()
    sid = parameters.get("sid")
    if request.method != "GET" and (request.method != "POST" or sid is None):
        raise refusal.bad_method()
    if "j" in parameters or not _carries(request, transport):
        raise refusal.bad_request()
    return Query(transport, sid)


def _carries(request: web.Request, transport: str) -> bool:
    asks_websocket = request.headers.get("Upgrade", "").strip().lower() == "websocket"
    if transport == WEBSOCKET:
        return asks_websocket and request.method == "GET" and web.WebSocketResponse().can_prepare(request).ok
    return not asks_websocket
