"""A WebSocket request that names a session."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from server.sockets.engine.probe import Probe
from server.sockets.engine.takeover import UpgradeResponse, take_over

if TYPE_CHECKING:
    from server.sockets.engine.engine_socket import EngineSocket


async def probe_session(socket: EngineSocket, request: web.Request) -> web.StreamResponse:
    """Let the client try the WebSocket; one that is not wanted is accepted and closed, as clients expect it."""
    engine = socket.engine
    probe = Probe(socket)
    if engine.upgradable and socket.probe is None and not socket.upgraded:
        socket.probe = probe
    response = UpgradeResponse()
    try:
        await response.prepare(request)
        link, tail = take_over(request, engine.upkeep, probe, engine.max_http_buffer_size)
    except ConnectionError:
        probe.fail()
        return response
    probe.link = link
    if socket.probe is not probe:  # not wanted, or the session ended meanwhile
        link.close()
        return response
    engine.probes.start(probe)
    if tail:
        link.data_received(tail)
    return response
