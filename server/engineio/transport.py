"""What a socket needs from the transport that it currently uses, and what all transports of a server share."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

import structlog

from server.observability.logging import safe_traceback

if TYPE_CHECKING:
    from server.deadlines import Deadlines
    from server.protocol.frames import Frame

log = structlog.get_logger("engineio")


@dataclass(frozen=True, slots=True)
class TransportLimits:
    """Bounds beyond which a socket is cut or a request refused; times in seconds."""

    buffered_bytes: int = 1_000_000
    clogged_seconds: float = 15.0
    probe_seconds: float = 10.0
    closing_seconds: float = 5.0
    closing_poll_seconds: float = 10.0
    # How long a refusal that ends a session waits for the polls that say why.
    refusing_seconds: float = 2.0
    packets_a_post: int = 4096
    # What a read of a WebSocket may bring: more than it has room for commands, so that only a flood of control frames
    # reaches it.
    frames_a_read: int = 10_000
    # A message or POST body of a socket without a namespace: it has a token of 4 KB to send, and nothing else.
    unconnected_bytes: int = 6_144
    # Frames of such a socket that one read may bring: a read of tiny ones takes a tenth of a second, again and again.
    unconnected_frames: int = 128
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


class TransportOwner(Protocol):
    """Who receives what arrives on a transport. A transport without an owner is on its way out."""

    def on_text(self, packet: str) -> None: ...
    def on_binary(self, data: bytes) -> None: ...
    def on_lost(self, reason: str) -> None: ...
    def on_too_large(self) -> None: ...


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
    bytes; where its unfinished messages are counted; how many frames a read may bring."""

    message: int
    unread: int
    unfinished: UnfinishedMessages
    frames: int


class BufferedTransport(Protocol):
    """A transport that gathers what it is given until it is flushed."""

    def flush(self) -> None: ...


class WriteScheduler:
    """Flushes transports once for all that they were given in an iteration of the event loop and the one after it: a
    committed entry and its acknowledgement then cost a sender's socket one system call."""

    __slots__ = ("_loop", "_transports")

    def __init__(self) -> None:
        self._transports: list[BufferedTransport] = []
        self._loop: asyncio.AbstractEventLoop | None = None

    def schedule(self, transport: BufferedTransport) -> None:
        """Once for each transport until it is flushed."""
        self._transports.append(transport)
        if len(self._transports) == 1:
            if self._loop is None:
                self._loop = asyncio.get_running_loop()
            self._loop.call_soon(self._pass_an_iteration, self._loop)

    def _pass_an_iteration(self, loop: asyncio.AbstractEventLoop) -> None:
        # Whoever awaited what was just delivered runs in this iteration, after us.
        loop.call_soon(self._flush)

    def _flush(self) -> None:
        transports, self._transports = self._transports, []
        for transport in transports:
            try:
                transport.flush()
            except Exception as error:
                log.error("writing to a socket failed", **safe_traceback(error))


@dataclass(slots=True)
class SharedTransportState:
    """What all transports of a server share. ``unconnected``: the bounds of sockets without a namespace."""

    limits: TransportLimits
    counters: Counters
    connected: Bounds
    unconnected: Bounds
    clogged: Deadlines[TimedTransport]
    closing: Deadlines[TimedTransport]
    writes: WriteScheduler = field(default_factory=WriteScheduler)


class _NoTransport:
    """The transport of a socket that has ended, so that late senders need no check."""

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
