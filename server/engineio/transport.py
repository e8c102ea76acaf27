"""Why a socket ended; the names are those of python-engineio.

What one socket may cost.

Plain numbers about all sockets of a server, for metrics.

The seam between a socket and the transport it currently uses.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from server.deadlines import Deadlines
    from server.protocol.frames import Frame

SERVER_DISCONNECT: Final = "server disconnect"
CLIENT_DISCONNECT: Final = "client disconnect"
PING_TIMEOUT: Final = "ping timeout"
TRANSPORT_CLOSE: Final = "transport close"
TRANSPORT_ERROR: Final = "transport error"


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds beyond which a socket is cut or a request refused; times in seconds."""

    buffered_bytes: int = 1_000_000
    clogged_seconds: float = 15.0
    probe_seconds: float = 10.0
    closing_seconds: float = 5.0
    closing_poll_seconds: float = 10.0
    packets_a_post: int = 4096
    # A message or POST body of a socket without a namespace: it has a token of 4 KB to send, and nothing else.
    unconnected_bytes: int = 6_144
    # What waits for it while it does not read: refusals.
    unconnected_unread_bytes: int = 2_048
    # What all messages of such sockets that are not whole yet may hold on a node, and what those of all others.
    unconnected_unfinished_bytes: int = 4_000_000
    unfinished_bytes: int = 64_000_000


@dataclass(slots=True)
class Counters:
    """Running totals; bytes are payloads, without transport headers."""

    handshakes: int = 0
    refused: int = 0
    upgrades: int = 0
    failed_upgrades: int = 0
    bad_packets: int = 0
    failed_handlers: int = 0
    aborted_slow: int = 0
    aborted_unfinished: int = 0
    messages_in: int = 0
    bytes_in: int = 0
    messages_out: int = 0
    bytes_out: int = 0
    closes: Counter[str] = field(default_factory=Counter)


class Owner(Protocol):
    """Who is told what arrives on a transport. A transport without an owner is on its way out."""

    def on_text(self, packet: str) -> None: ...
    def on_binary(self, data: bytes) -> None: ...
    def on_lost(self, reason: str) -> None: ...


class Transport(Protocol):
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
    def limit(self, bounds: Bounds) -> None: ...
    def close(self, code: int) -> None: ...
    def abort(self) -> None: ...


class TimedTransport(Protocol):
    """A transport whose peer has a while to take what was sent, or to close."""

    def cut_slow(self) -> None: ...
    def abort(self) -> None: ...


class ReceivingTransport(Protocol):
    """A transport that keeps the beginning of a message until the rest is there."""

    def cut_unfinished(self) -> None: ...


class UnfinishedMessages:
    """The bytes of messages that are not whole yet. Beyond the limit, whoever holds most is cut: a small one stays."""

    __slots__ = ("_counters", "_held", "_most", "total")

    def __init__(self, most: int, counters: Counters) -> None:
        self.total = 0
        self._most = most
        self._counters = counters
        self._held: dict[ReceivingTransport, int] = {}

    def __len__(self) -> int:
        return len(self._held)

    def hold(self, transport: ReceivingTransport, size: int) -> None:
        """``transport`` now holds ``size`` bytes; may cut any transport, this one included."""
        self.release(transport)
        if size:
            self._held[transport] = size
            self.total += size
            while self.total > self._most:
                self._cut_largest()

    def release(self, transport: ReceivingTransport) -> None:
        """Its message is whole, or given up."""
        self.total -= self._held.pop(transport, 0)

    def _cut_largest(self) -> None:
        largest = max(self._held, key=self._held.__getitem__)
        self.release(largest)
        self._counters.aborted_unfinished += 1
        largest.cut_unfinished()


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a socket may cost: its largest message, all fragments together, and what may wait while it does not read, in
    bytes; where its unfinished messages are counted."""

    message: int
    unread: int
    unfinished: UnfinishedMessages


@dataclass(slots=True)
class SharedTransportState:
    """What all transports of a server share. ``unconnected``: the bounds of sockets without a namespace."""

    limits: Limits
    counters: Counters
    connected: Bounds
    unconnected: Bounds
    clogged: Deadlines[TimedTransport]
    closing: Deadlines[TimedTransport]


class _NoTransport:
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

    def limit(self, bounds: Bounds) -> None:
        pass

    def close(self, code: int) -> None:
        pass

    def abort(self) -> None:
        pass


NO_TRANSPORT: Final[Transport] = _NoTransport()
