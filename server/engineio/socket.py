"""One client's session: what the gateway holds and sends through, and its attempt to move to a WebSocket."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from domain.networks import network_of
from server.deadlines import Deadlines
from server.engineio import close_reasons
from server.engineio.closing_polls import ClosingPolls
from server.engineio.heartbeat import Heartbeat
from server.engineio.polling import PollingTransport
from server.engineio.transport import NO_TRANSPORT, Counters, SharedTransportState, TransportLimits
from server.protocol import frames

if TYPE_CHECKING:
    from server.engineio.transport import Bounds, Transport
    from server.engineio.websocket import WebSocketTransport
    from server.protocol.frames import Frame

_GOING_AWAY = 1001
_LAST_WORDS_SECONDS = 1.0


class Engine(Protocol):
    """What a session asks of the server that it belongs to."""

    limits: TransportLimits
    counters: Counters
    transport_state: SharedTransportState
    heartbeat: Heartbeat
    closing_polls: ClosingPolls
    probes: Deadlines[Probe]
    max_http_buffer_size: int

    @property
    def upgradable(self) -> bool: ...
    def deliver(self, socket: EngineSocket, data: str | bytes) -> None: ...
    def refuse_large(self, socket: EngineSocket) -> None: ...
    def forget(self, socket: EngineSocket, reason: str) -> None: ...


class EngineSocket:
    """A session over whichever transport it uses now. Nothing here waits, except for python-socketio's ``send``."""

    __slots__ = (
        "__weakref__",
        "_fences",
        "_session",
        "_unanswered",
        "context",
        "engine",
        "network",
        "opened",
        "paused",
        "probe",
        "remote_address",
        "restricted",
        "sid",
        "transport",
    )

    def __init__(self, engine: Engine, sid: str, remote_address: str) -> None:
        self.engine = engine
        self.sid = sid
        self.remote_address = remote_address
        # What limits by address count; the address itself is for those who have to name it.
        self.network = network_of(remote_address)
        self.restricted = False
        self.transport: Transport = PollingTransport(engine.transport_state, self, engine.max_http_buffer_size)
        self.probe: Probe | None = None
        self.opened = False
        self.paused = False
        self.context: Any = None
        self._session: dict[str, Any] | None = None
        # Pings without a pong so far, and who waits for how many of them.
        self._unanswered = 0
        self._fences: list[tuple[int, Callable[[], None]]] | None = None

    # --- what it is ---

    @property
    def session(self) -> dict[str, Any]:
        """python-socketio's per-client dictionary, made when first asked for."""
        if self._session is None:
            self._session = {}
        return self._session

    @session.setter
    def session(self, value: dict[str, Any]) -> None:
        self._session = value

    @property
    def closed(self) -> bool:
        return self.transport is NO_TRANSPORT

    @property
    def connected(self) -> bool:
        return self.transport is not NO_TRANSPORT

    @property
    def upgraded(self) -> bool:
        return self.transport.name == "websocket"

    @property
    def transport_name(self) -> str:
        """``polling``, ``websocket``, or nothing once it has ended."""
        return self.transport.name

    @property
    def buffered(self) -> int:
        """Bytes that wait for the client to take them."""
        return self.transport.buffered

    # --- sending ---

    def send_text(self, packet: str | bytes) -> None:
        """A text message; ``packet`` is what follows Engine.IO's packet type."""
        self.transport.send_text(packet.encode() if isinstance(packet, str) else packet)

    def send_binary(self, data: bytes) -> None:
        """A binary message."""
        self.transport.send_binary(data)

    def send_frame(self, frame: Frame) -> None:
        """A message that was encoded once for many sockets."""
        self.transport.send_frame(frame)

    # --- backpressure on the client ---

    def pause(self) -> None:
        """Deliver and read nothing more until ``resume``."""
        self.paused = True
        self.transport.pause_reading()

    def resume(self) -> None:
        """Deliver what waits, and go on reading."""
        self.paused = False
        self.transport.resume_reading()

    # --- what it may cost ---

    def restrict(self, restricted: bool = True) -> None:
        """Take little and keep little (``Limits.unconnected_bytes``), or again as much as announced: nobody is known to
        be there, or somebody is."""
        self.restricted = restricted
        self.transport.limit(self.bounds)
        if self.probe is not None and self.probe.transport is not None:
            self.probe.transport.limit(self.bounds)

    @property
    def bounds(self) -> Bounds:
        state = self.engine.transport_state
        return state.unconnected if self.restricted else state.connected

    # --- ending ---

    def close(self, reason: str = close_reasons.SERVER_DISCONNECT, code: int = 1000) -> None:
        """End the session; what was sent before still reaches the client."""
        transport = self.transport
        if transport is NO_TRANSPORT:
            return
        self._leave_unfetched()
        transport.close(code)
        self._ended(reason)

    def send_away(self) -> None:
        """End the session so that the client comes back; python-socketio's stays away after a ``close`` on a poll."""
        transport = self.transport
        if isinstance(transport, PollingTransport):
            self._leave_unfetched()
            transport.release()
            self._ended(close_reasons.SERVER_DISCONNECT)
        else:
            self.close(close_reasons.SERVER_DISCONNECT, _GOING_AWAY)

    def _leave_unfetched(self) -> None:
        # Also while a poll is open: what was queued in this turn of the loop may be more than its answer holds.
        if isinstance(self.transport, PollingTransport) and self.transport.buffered:
            self.engine.closing_polls.leave(self.sid, self.transport)

    def abort(self, reason: str = close_reasons.TRANSPORT_ERROR) -> None:
        """End the session at once, dropping what was not written yet."""
        transport = self.transport
        if transport is not NO_TRANSPORT:
            transport.abort()
            self._ended(reason)

    def _ended(self, reason: str) -> None:
        self.transport = NO_TRANSPORT
        if self.probe is not None:
            self.probe.session_ended()
        self.engine.forget(self, reason)

    # --- arriving: the owner of its transport ---

    def on_text(self, packet: str) -> None:
        """A text packet, its type included."""
        kind = packet[:1]
        if kind == "4":
            counters = self.engine.counters
            counters.messages_in += 1
            counters.bytes_in += len(packet)
            self.engine.deliver(self, packet[1:])
        elif kind == "3":
            self.engine.heartbeat.pong(self)
            self._pong()
        elif kind == "1":
            self._client_closed()
        elif kind != "6":
            self.engine.counters.bad_packets += 1
            self.close(close_reasons.TRANSPORT_ERROR, 1002)

    def on_binary(self, data: bytes) -> None:
        """A binary message."""
        counters = self.engine.counters
        counters.messages_in += 1
        counters.bytes_in += len(data)
        self.engine.deliver(self, data)

    def on_too_large(self) -> None:
        """A message is refused, and the session about to be closed for it: the application may say so."""
        self.engine.refuse_large(self)

    def on_lost(self, reason: str) -> None:
        """The transport ended by itself."""
        if self.transport is not NO_TRANSPORT:
            self._ended(reason)

    def _client_closed(self) -> None:
        transport = self.transport
        if isinstance(transport, PollingTransport):
            transport.hang_up()
            self._ended(close_reasons.CLIENT_DISCONNECT)
        else:
            self.close(close_reasons.CLIENT_DISCONNECT)

    # --- the heartbeat ---

    def ping(self) -> None:
        self._unanswered += 1
        self.transport.send_packet(frames.PING)

    def fence(self, passed: Callable[[], None]) -> None:
        """Call ``passed`` when whatever the client sent before it received what it has been sent so far is here.

        Clients answer a ping as it comes, and both ways keep the order.
        """
        self.ping()
        self._fences = [*(self._fences or ()), (self._unanswered, passed)]

    def _pong(self) -> None:
        self._unanswered = max(0, self._unanswered - 1)
        fences, self._fences = self._fences, None
        for pongs, passed in fences or ():
            if pongs > 1:
                self._fences = [*(self._fences or ()), (pongs - 1, passed)]
            else:
                passed()

    def unanswered(self) -> None:
        if self.upgraded:
            self.close(close_reasons.PING_TIMEOUT)
        else:
            self.abort(close_reasons.PING_TIMEOUT)

    # --- moving to a WebSocket ---

    def move(self, transport: WebSocketTransport) -> None:
        """Go on over ``transport``, first with what no poll has fetched."""
        old = self.transport
        self.transport = transport
        transport.owner = self
        transport.limit(self.bounds)
        if self.paused:
            transport.pause_reading()
        for frame in old.retire() if isinstance(old, PollingTransport) else ():
            self.transport.send_packet(frame)


class Probe:
    """Owns the new WebSocket until the client has tried it and asks to move; polling works on if it does not."""

    __slots__ = ("answered", "socket", "transport")

    def __init__(self, socket: EngineSocket) -> None:
        self.socket = socket
        self.transport: WebSocketTransport | None = None
        self.answered = False

    def on_text(self, packet: str) -> None:
        if packet == "2probe" and not self.answered:
            self._answer()
        elif packet == "5" and self.answered:
            self._succeed()
        else:
            self.socket.engine.counters.bad_packets += 1
            self.fail()

    def on_binary(self, data: bytes) -> None:
        self.on_text("")

    def on_too_large(self) -> None:
        """A probe is nobody's yet."""

    def on_lost(self, reason: str) -> None:
        self.fail()

    def _answer(self) -> None:
        self.answered = True
        if self.transport is not None:
            self.transport.send_packet(frames.PROBE_ANSWER)
        if isinstance(self.socket.transport, PollingTransport):
            self.socket.transport.begin_upgrade()

    def _succeed(self) -> None:
        socket, transport = self.socket, self.transport
        self._leave()
        if transport is None:
            return
        if socket.closed:
            for frame in socket.engine.closing_polls.take_over(socket.sid):
                if frame is not frames.CLOSE and frame is not frames.NOOP:
                    transport.send_packet(frame)
            transport.close()
        else:
            socket.engine.counters.upgrades += 1
            socket.move(transport)

    def session_ended(self) -> None:
        """Close the WebSocket; not at once if the client is about to move, and does not fetch its last words."""
        if self.answered and self.socket.sid in self.socket.engine.closing_polls:
            asyncio.get_running_loop().call_later(_LAST_WORDS_SECONDS, self.cancel)
        else:
            self.cancel()

    def fail(self) -> None:
        """Give up the WebSocket and go on polling."""
        if self.socket.probe is not self:
            return
        self.cancel()
        self.socket.engine.counters.failed_upgrades += 1
        if isinstance(self.socket.transport, PollingTransport):
            self.socket.transport.end_upgrade()

    def cancel(self) -> None:
        """Close the WebSocket: the attempt failed, or the session ended meanwhile."""
        self._leave()
        if self.transport is not None:
            self.transport.close()

    def _leave(self) -> None:
        self.socket.engine.probes.cancel(self)
        self.socket.probe = None
