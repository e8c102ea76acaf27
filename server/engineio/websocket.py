"""The WebSocket transport, without futures, queues or tasks.

aiohttp's reader accepts frames of a client that are not masked, upon which RFC 6455, 5.1 has the server close the
connection; so the masks are checked here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from aiohttp import WebSocketError, WSCloseCode, WSMsgType
from aiohttp._websocket.reader import WebSocketDataQueue
from aiohttp.http_websocket import WebSocketReader

from server.engineio import transport as reasons
from server.protocol import frames

if TYPE_CHECKING:
    from server.engineio.transport import SharedTransportState, TransportOwner
    from server.protocol.frames import Frame

_MASKED: Final = 0x80
_SHORT: Final = 6


class Masking:
    """Looks at the head of each frame in a stream of them, however the stream is cut.

    RFC 6455, 5.1: a server closes the connection upon a frame that is not masked; aiohttp's reader takes it.
    """

    __slots__ = ("_begun", "_left")

    def __init__(self) -> None:
        # The beginning of a head whose rest has not arrived, and what is left of a frame that was begun.
        self._begun = b""
        self._left = 0

    def holds(self, data: bytes) -> bool:
        """Whether every frame that begins in ``data`` is masked."""
        if not self._left and not self._begun and len(data) >= _SHORT:
            second = data[1]
            if _MASKED <= second < _MASKED + 126 and len(data) == second - _MASKED + _SHORT:
                return True  # a short frame by itself, as nearly always
        return self._walk(data)

    def _walk(self, data: bytes) -> bool:
        if self._begun:
            data, self._begun = self._begun + data, b""
        at, end = self._left, len(data)
        while at < end:
            if end - at < 2:
                self._begun = data[at:]
                break
            second = data[at + 1]
            if second < _MASKED:
                return False
            size, head = second - _MASKED, _SHORT
            if size >= 126:
                head = 8 if size == 126 else 14
                if end - at < head:
                    self._begun = data[at:]
                    break
                size = int.from_bytes(data[at + 2 : at + head - 4], "big")
            at += head + size
        self._left = 0 if self._begun else at - end
        return True


_TEXT: Final = WSMsgType.TEXT
_BINARY: Final = WSMsgType.BINARY
_SENDABLE_CODES: Final = range(1000, 5000)
# What is gathered beyond this is written before more is added: copying it again would cost more than the system call.
GATHERED_BYTES: Final = 16_384


def _discard(data: bytes) -> None:
    """Receives what nobody wants any more."""


class WebSocketTransport(WebSocketDataQueue):
    """The reader's sink, the transport's protocol and the way out, in one object: that is the memory of a socket.

    aiohttp's compiled reader calls ``feed_data`` for each message, synchronously; the base class's own queue is
    never set up, which is why its ``__init__`` is not called.
    """

    __slots__ = ("_clogged", "_gathered", "_held", "_masked", "_open", "_read", "_shared", "_transport", "owner")

    # What the reader looks at in a queue that never fills; the compiled base keeps its own zeros.
    _size = 0
    _limit = 0

    name: Final = "websocket"

    def __init__(
        self, transport: asyncio.Transport, shared: SharedTransportState, owner: TransportOwner, most: int
    ) -> None:
        self.owner: TransportOwner | None = owner
        self._transport = transport
        self._shared = shared
        self._clogged = False
        # What is written with the next flush.
        self._gathered = b""
        self._held: list[Any] | None = None
        self._open = True
        # The reader refuses a message as large as its limit; what was announced must fit.
        reader = WebSocketReader(self, most + 1, False, True)
        self._read: Callable[[bytes], object] = reader.feed_data
        self._masked = Masking().holds

    # --- the way out ---

    @property
    def buffered(self) -> int:
        return self._transport.get_write_buffer_size() + len(self._gathered)

    def send_text(self, payload: bytes) -> None:
        counters = self._shared.counters
        counters.messages_out += 1
        counters.bytes_out += len(payload)
        self._write(frames.text_wire(payload))

    def send_binary(self, payload: bytes) -> None:
        counters = self._shared.counters
        counters.messages_out += 1
        counters.bytes_out += len(payload)
        self._write(frames.binary_wire(payload))

    def send_frame(self, frame: Frame) -> None:
        wire = frame.wire
        counters = self._shared.counters
        counters.messages_out += 1
        counters.bytes_out += len(wire)
        self._write(wire)

    def send_packet(self, frame: Frame) -> None:
        self._write(frame.wire)

    def _write(self, wire: bytes) -> None:
        gathered = self._gathered
        if not gathered:
            self._gathered = wire
            self._shared.writes.schedule(self)
        elif len(gathered) < GATHERED_BYTES:
            self._gathered = gathered + wire
        else:
            self._gathered = wire
            self._put(gathered)

    def flush(self) -> None:
        """Write what was gathered."""
        gathered, self._gathered = self._gathered, b""
        if gathered:
            self._put(gathered)

    def _put(self, wire: bytes) -> None:
        # What waited before counts, not what is added: one large answer to a peer that reads is no backlog.
        if self._clogged and self._transport.get_write_buffer_size() > self._shared.limits.buffered_bytes:
            self.cut_slow()
        else:
            self._transport.write(wire)

    def cut_slow(self) -> None:
        """End a peer that does not take what it is sent."""
        if self._open:
            self._shared.counters.aborted_slow += 1
        self.abort()
        self._end(reasons.TRANSPORT_ERROR)

    # --- the reader's side ---

    def feed_data(self, data: Any, size: int) -> None:
        if self._held is not None:
            self._held.append(data)
            return
        owner = self.owner
        kind = data[0]
        if owner is None or not (kind is _TEXT or kind is _BINARY):
            self._control(kind, data[1])
        elif kind is _TEXT:
            owner.on_text(data[1])
        else:
            owner.on_binary(data[1])

    def _control(self, kind: WSMsgType, data: Any) -> None:
        if kind is WSMsgType.CLOSE:
            self._peer_closed(data)
        elif kind is WSMsgType.PING and self._open:
            self._write(frames.pong_wire(bytes(data)))

    def _peer_closed(self, code: int) -> None:
        if self._open:
            self._open = False
            self.flush()
            self._transport.write(frames.close_wire(code if code in _SENDABLE_CODES else WSCloseCode.OK))
            # A peer that reads nothing must not keep the buffer alive.
            self._shared.closing.start(self)
        self._transport.close()
        self._end(reasons.TRANSPORT_CLOSE)

    def set_exception(self, exc: BaseException, exc_cause: BaseException | None = None) -> None:
        """The reader met bytes that are no WebSocket, or a message that is too large."""
        self._shared.counters.bad_packets += 1
        code = exc.code if isinstance(exc, WebSocketError) else WSCloseCode.INTERNAL_ERROR
        owner = self.owner
        self.close(code)
        if owner is not None:
            owner.on_lost(reasons.TRANSPORT_ERROR)

    # --- backpressure on the client ---

    def pause_reading(self) -> None:
        if self._held is None and self._open:
            # A chunk already read may hold many more messages: they wait here.
            self._held = []
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        held, self._held = self._held, None
        if held is None:
            return
        for at, data in enumerate(held):
            self.feed_data(data, 0)
            if self._held is not None:  # paused again by what was just delivered
                self._held.extend(held[at + 1 :])
                return
        if not self._transport.is_closing():
            self._transport.resume_reading()

    # --- the end ---

    def close(self, code: int = WSCloseCode.OK) -> None:
        """Close with a handshake; a peer that does not answer is cut later."""
        self.owner = None
        if not self._open:
            return
        self._open = False
        if self._transport.is_closing():
            return
        self.flush()
        self._transport.write(frames.close_wire(code))
        self._shared.closing.start(self)
        self.resume_reading()

    def abort(self) -> None:
        """Drop the connection and whatever was not written yet."""
        self._open = False
        self._gathered = b""
        self._transport.abort()

    def _end(self, reason: str) -> None:
        owner, self.owner = self.owner, None
        if owner is not None:
            owner.on_lost(reason)

    # --- the transport's side ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The transport was taken over when it was already connected."""

    def data_received(self, data: bytes) -> None:
        if self._masked(data):
            self._read(data)
        elif self._open:
            self.set_exception(WebSocketError(WSCloseCode.PROTOCOL_ERROR, "a frame without a mask"))

    def eof_received(self) -> None:
        """Returning nothing lets the transport close itself."""

    def pause_writing(self) -> None:
        self._clogged = True
        self._shared.clogged.start(self)

    def resume_writing(self) -> None:
        self._clogged = False
        self._shared.clogged.cancel(self)

    def connection_lost(self, exc: BaseException | None) -> None:
        self._open = False
        self._gathered = b""
        self._held = None
        self._shared.clogged.cancel(self)
        self._shared.closing.cancel(self)
        self._read = _discard  # the reader refers back to us: let both go at once
        self._end(reasons.TRANSPORT_CLOSE)
