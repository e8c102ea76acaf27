"""Which part of the protocol a request is about."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from server.sockets.engine import opening, polling_http, query, refusal, upgrading
from server.sockets.engine.polling_link import PollingLink
from server.sockets.engine.query import Query

if TYPE_CHECKING:
    from server.sockets.engine.engine_socket import EngineSocket
    from server.sockets.engine.server import EngineServer


async def answer(engine: EngineServer, request: web.Request) -> web.StreamResponse:
    """The answer to any request under the server's path."""
    if not engine.origins.accept(request):
        engine.counters.refused += 1
        return refusal.forbidden().response()
    try:
        response = await _route(engine, request)
    except refusal.Refusal as refused:
        engine.counters.refused += 1
        response = refused.response()
    if not response.prepared:
        response.headers.update(engine.origins.headers(request))
    return response


async def _route(engine: EngineServer, request: web.Request) -> web.StreamResponse:
    if request.method == "OPTIONS":
        return web.Response(status=204)
    asked = query.read(request, engine.transports)
    if asked.sid is None:
        return await opening.open_session(engine, request, asked.transport)
    socket = engine.sockets.get(asked.sid)
    if socket is None:
        response = await engine.elsewhere(request, asked.sid)
        if response is not None:
            return response
        return _last_words(engine, request, asked.sid)
    return await _continue(socket, request, asked)


def _last_words(engine: EngineServer, request: web.Request, sid: str) -> web.Response:
    body = engine.farewells.fetch(sid) if request.method == "GET" else None
    if body is None:
        raise refusal.unknown_session()
    return polling_http.text_response(body)


async def _continue(socket: EngineSocket, request: web.Request, asked: Query) -> web.StreamResponse:
    if asked.transport == query.WEBSOCKET:
        return await upgrading.probe_session(socket, request)
    link = socket.link
    if not isinstance(link, PollingLink):
        raise refusal.bad_request()
    if request.method == "POST":
        return await polling_http.answer_post(socket, link, request)
    return await polling_http.answer_poll(socket, link, request)
