"""The seam between a socket and the transport it currently uses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from server.sockets.engine.counters import Counters
from server.sockets.engine.limits import Limits

if TYPE_CHECKING:
    from server.sockets.engine.deadlines import Deadlines
    from server.sockets.engine.frames import Frame
    from server.sockets.engine.websocket_link import WebSocketLink


class Owner(Protocol):
    """Who is told what arrives on a link. A link without an owner is on its way out."""

    def on_text(self, packet: str) -> None: ...
    def on_binary(self, data: bytes) -> None: ...
    def on_lost(self, reason: str) -> None: ...


class Link(Protocol):
    """A way to the client. None of these calls wait."""

    @property
    def name(self) -> str: ...
    @property
    def buffered(self) -> int: ...
    def send_text(self, payload: bytes) -> None: ...
    def send_binary(self, payload: bytes) -> None: ...
    def send_frame(self, frame: Frame) -> None: ...
    def send_packet(self, frame: Frame) -> None: ...
    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...
    def close(self, code: int) -> None: ...
    def abort(self) -> None: ...


@dataclass(slots=True)
class Upkeep:
    """What all links of a server share."""

    limits: Limits
    counters: Counters
    clogged: Deadlines[WebSocketLink]
    closing: Deadlines[WebSocketLink]


class _NoLink:
    """Stands in once a socket has ended, so that late senders need no check."""

    name = ""
    buffered = 0

    def send_text(self, payload: bytes) -> None:
        pass

    def send_binary(self, payload: bytes) -> None:
        pass

    def send_frame(self, frame: Frame) -> None:
        pass

    def send_packet(self, frame: Frame) -> None:
        pass

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass

    def close(self, code: int) -> None:
        pass

    def abort(self) -> None:
        pass


NO_LINK: Final[Link] = _NoLink()
