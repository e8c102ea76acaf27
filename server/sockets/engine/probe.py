"""The client's attempt to move from polling to a WebSocket."""

from __future__ import annotations

from typing import TYPE_CHECKING

from server.sockets.engine import frames
from server.sockets.engine.polling_link import PollingLink

if TYPE_CHECKING:
    from server.sockets.engine.engine_socket import EngineSocket
    from server.sockets.engine.websocket_link import WebSocketLink


class Probe:
    """Owns the new WebSocket until the client has tried it and asks to move; polling works on if it does not."""

    __slots__ = ("_answered", "link", "socket")

    def __init__(self, socket: EngineSocket) -> None:
        self.socket = socket
        self.link: WebSocketLink | None = None
        self._answered = False

    def on_text(self, packet: str) -> None:
        if packet == "2probe" and not self._answered:
            self._answer()
        elif packet == "5" and self._answered:
            self._succeed()
        else:
            self.socket.engine.counters.bad_packets += 1
            self.fail()

    def on_binary(self, data: bytes) -> None:
        self.on_text("")

    def on_lost(self, reason: str) -> None:
        self.fail()

    def _answer(self) -> None:
        self._answered = True
        if self.link is not None:
            self.link.send_packet(frames.PROBE_ANSWER)
        if isinstance(self.socket.link, PollingLink):
            self.socket.link.suspend()

    def _succeed(self) -> None:
        socket, link = self.socket, self.link
        self._leave()
        if link is not None:
            socket.engine.counters.upgrades += 1
            socket.move(link)

    def fail(self) -> None:
        """Give up the WebSocket and go on polling."""
        if self.socket.probe is not self:
            return
        self.cancel()
        self.socket.engine.counters.failed_upgrades += 1
        if isinstance(self.socket.link, PollingLink):
            self.socket.link.unsuspend()

    def cancel(self) -> None:
        """Close the WebSocket: the attempt failed, or the session ended meanwhile."""
        self._leave()
        if self.link is not None:
            self.link.close()

    def _leave(self) -> None:
        self.socket.engine.probes.cancel(self)
        self.socket.probe = None
