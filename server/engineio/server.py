"""The Engine.IO server that python-socketio runs on; it sends everybody away before the process ends."""

from __future__ import annotations

import asyncio
import logging
import random
import traceback
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Final

import engineio
from aiohttp import web

from domain.networks import network_of
from server.deadlines import Deadlines
from server.engineio import close_reasons, requests
from server.engineio.closing_polls import ClosingPolls
from server.engineio.handshake import WEBSOCKET, OriginCheck
from server.engineio.heartbeat import Heartbeat
from server.engineio.socket import EngineSocket, Probe
from server.engineio.transport import Bounds, Counters, SharedTransportState, TransportLimits, UnfinishedMessages
from server.network_counts import NetworkCounts

log = logging.getLogger(__name__)

Forward = Callable[[web.Request, str], Awaitable[web.StreamResponse | None]]


def peer_address(request: web.Request) -> str:
    """The address at the other end of the connection."""
    return request.remote or ""


async def forward_nothing(request: web.Request, sid: str) -> web.StreamResponse | None:
    """Nobody else has sessions."""
    return None


class EngineServer(engineio.AsyncServer):  # type: ignore[misc]  # python-engineio has no types
    """Engine.IO v4 over polling and WebSocket.

    The hooks ``on_open``, ``on_message``, ``on_too_large`` and ``on_close`` are called synchronously, in the order of
    events; a socket that was opened is closed once. python-socketio's own handlers are not called: its gateway
    sets these hooks.
    """

    def __init__(
        self,
        *,
        limits: TransportLimits | None = None,
        client_address: Callable[[web.Request], str] = peer_address,
        max_sockets_per_address: int | None = None,
        mark: str = "",
        forward: Forward = forward_nothing,
        **options: Any,
    ) -> None:
        """``mark``: what the ids of this server's sessions end in. ``forward`` may answer for ids that are not ours."""
        super().__init__(async_mode="aiohttp", **options)
        self.limits = limits or TransportLimits()
        self.counters = Counters()
        self.client_address = client_address
        self.sockets: dict[str, EngineSocket] = {}
        self.draining = False
        self.origins = OriginCheck(self.cors_allowed_origins, self.cors_credentials)
        self.heartbeat = Heartbeat(self.ping_interval, self.ping_timeout)
        self.closing_polls = ClosingPolls(self.limits.closing_poll_seconds)
        self.probes: Deadlines[Probe] = Deadlines(self.limits.probe_seconds, lambda probe, due: probe.fail())
        self.transport_state = SharedTransportState(
            self.limits,
            self.counters,
            connected=Bounds(
                self.max_http_buffer_size,
                self.limits.buffered_bytes,
                UnfinishedMessages(self.limits.unfinished_bytes, self.counters),
                self.limits.frames_a_read,
            ),
            unconnected=Bounds(
                self.limits.unconnected_bytes,
                self.limits.unconnected_unread_bytes,
                UnfinishedMessages(self.limits.unconnected_unfinished_bytes, self.counters),
                self.limits.unconnected_frames,
            ),
            clogged=Deadlines(self.limits.clogged_seconds, lambda transport, due: transport.cut_slow()),
            closing=Deadlines(self.limits.closing_seconds, lambda transport, due: transport.abort()),
        )
        self.mark = mark
        self.forward = forward
        self._per_network = NetworkCounts(max_sockets_per_address)
        self.on_open: Callable[[EngineSocket], None] = lambda socket: None
        self.on_message: Callable[[EngineSocket, str | bytes], None] = lambda socket, data: None
        self.on_too_large: Callable[[EngineSocket], None] = lambda socket: None
        self.on_close: Callable[[EngineSocket, str], None] = lambda socket, reason: None

    # --- the web side ---

    def attach(self, app: web.Application, engineio_path: str = "engine.io") -> None:
        """Serve every method under the path: the protocol has its own answer to those it does not know."""
        app.router.add_route("*", f"/{engineio_path.strip('/')}/", self.handle_request)

    async def handle_request(self, request: web.Request) -> web.StreamResponse:
        """The aiohttp handler."""
        return await requests.answer(self, request)

    @property
    def upgradable(self) -> bool:
        """Whether polling clients may move to a WebSocket now."""
        return bool(self.allow_upgrades) and WEBSOCKET in self.transports and not self.draining

    def generate_id(self) -> str:
        """A session id that nobody can guess."""
        unguessable: str = super().generate_id()
        return unguessable + self.mark

    # --- the life of sockets ---

    async def before_open(self, socket: EngineSocket, request: web.Request) -> None:
        """A chance to refuse a session before it is answered, by raising ``Refusal``; here all are welcome."""

    def is_full(self, address: str) -> bool:
        """Whether a client address, or the site of it, has all the sockets it may have."""
        return self._per_network.is_full(network_of(address))

    def register(self, socket: EngineSocket) -> EngineSocket:
        """Count a socket in, before it is accepted."""
        self.sockets[socket.sid] = socket
        self._per_network.add(socket.network)
        return socket

    def start(self, socket: EngineSocket) -> None:
        """An accepted socket begins to live."""
        self.counters.handshakes += 1
        socket.opened = True
        self.heartbeat.start(socket)
        try:
            self.on_open(socket)
        except Exception as error:
            self._failed(socket, "on_open", error)

    def deliver(self, socket: EngineSocket, data: str | bytes) -> None:
        """Hand a message to the application."""
        try:
            self.on_message(socket, data)
        except Exception as error:
            self._failed(socket, "on_message", error)

    def refuse_large(self, socket: EngineSocket) -> None:
        """Let the application tell the client that a message was too large, which ends its socket."""
        try:
            self.on_too_large(socket)
        except Exception as error:
            self._failed(socket, "on_too_large", error)

    def forget(self, socket: EngineSocket, reason: str) -> None:
        """Count a socket out; its transport has ended."""
        if self.sockets.pop(socket.sid, None) is None:
            return
        self._per_network.remove(socket.network)
        self.heartbeat.stop(socket)
        try:
            if socket.opened:
                self.counters.closes[reason] += 1
                self.on_close(socket, reason)
        except Exception as error:
            self._failed(socket, "on_close", error)

    def _failed(self, socket: EngineSocket, hook: str, error: Exception) -> None:
        # The exception's text may quote what the client sent: only its kind and place are logged.
        self.counters.failed_handlers += 1
        place = "".join(traceback.format_tb(error.__traceback__))
        log.error("%s failed with %s, socket %s is closed\n%s", hook, type(error).__name__, socket.sid, place)
        socket.close(close_reasons.TRANSPORT_ERROR, 1011)

    # --- the end ---

    async def drain(self, deadline_seconds: float) -> None:
        """Accept nobody any more and send everybody away by the deadline."""
        self.draining = True
        await send_away(self, deadline_seconds)

    async def shutdown(self) -> None:
        """Stop all timers, cutting whoever is left."""
        self.draining = True
        for socket in list(self.sockets.values()):
            socket.abort(close_reasons.SERVER_DISCONNECT)
        for transport in self.transport_state.closing.items():
            transport.abort()
        self.heartbeat.shutdown()
        self.closing_polls.shutdown()
        for deadlines in (self.probes, self.transport_state.clogged, self.transport_state.closing):
            deadlines.stop()


_TICK: Final = 0.02
_SPREAD: Final = 0.6


async def send_away(engine: EngineServer, deadline_seconds: float) -> None:
    """Close all sockets, spread over the time there is so that they do not all return at once; abort the rest.

    No Socket.IO disconnect packet is sent: a client that receives one stays away, one that loses its transport returns.
    """
    loop = asyncio.get_running_loop()
    started = loop.time()
    sockets = list(engine.sockets.values())
    random.shuffle(sockets)
    total = len(sockets)
    spread = deadline_seconds * _SPREAD
    while sockets:
        share = (loop.time() - started + _TICK) / spread if spread > 0 else 1.0
        for _ in range(min(len(sockets), max(1, int(total * share) - (total - len(sockets))))):
            sockets.pop().send_away()
        if sockets:
            await asyncio.sleep(_TICK)
    with suppress(TimeoutError):
        async with asyncio.timeout_at(started + deadline_seconds):
            await asyncio.gather(engine.transport_state.closing.emptied(), engine.closing_polls.emptied())
    for transport in engine.transport_state.closing.items():
        transport.abort()
