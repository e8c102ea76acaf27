"""The WebSocket transport, without futures, queues or tasks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from aiohttp import WebSocketError, WSCloseCode, WSMsgType
from aiohttp._websocket.reader import WebSocketDataQueue
from aiohttp.http_websocket import WebSocketReader

from server.engineio import close_reasons
from server.engineio.frame_walk import FrameWalk
from server.protocol import frames

if TYPE_CHECKING:
    from server.engineio.transport import Bounds, SharedTransportState, TransportOwner
    from server.protocol.frames import Frame

# What asyncio and uvloop begin with.
_HIGH_WATER: Final = 65_536


_TEXT: Final = WSMsgType.TEXT
_BINARY: Final = WSMsgType.BINARY
# The code that REST answers with, for whoever reads it.
_TOO_LARGE: Final = b"payload_too_large"
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

    __slots__ = (
        "_bounds", "_clogged", "_gathered", "_held", "_open", "_read", "_shared", "_transport", "_walk", "owner",
    )  # fmt: skip

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
        self._walk = FrameWalk(most, shared.connected.frames)
        self._bounds = shared.connected

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
        if self._clogged and self._transport.get_write_buffer_size() > self._bounds.unread:
            self.cut_slow()
        else:
            self._transport.write(wire)

    def cut_slow(self) -> None:
        """End a peer that does not take what it is sent."""
        if self._open:
            self._shared.counters.aborted_slow += 1
        self.abort()
        self._end(close_reasons.TRANSPORT_ERROR)

    def cut_unfinished(self) -> None:
        """End a peer whose unfinished message is the largest of too many."""
        self._let_go()
        self.abort()
        self._end(close_reasons.TRANSPORT_ERROR)

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
        self._end(close_reasons.TRANSPORT_CLOSE)

    def set_exception(self, exc: BaseException, exc_cause: BaseException | None = None) -> None:
        """What arrived is no WebSocket, or a message that is too large."""
        self._let_go()
        self._bounds.unfinished.release(self)
        if not self._open:
            return
        self._shared.counters.bad_packets += 1
        code = exc.code if isinstance(exc, WebSocketError) else WSCloseCode.INTERNAL_ERROR
        owner = self.owner
        if code == WSCloseCode.MESSAGE_TOO_BIG:
            if owner is not None:
                owner.on_too_large()
            self.close(code, _TOO_LARGE)
        else:
            self.close(code)
        # The peer's answer cannot be told from the rest of what it sends, and is not read: it shall end the connection.
        if not self._transport.is_closing():
            self._transport.write_eof()
        if owner is not None:
            owner.on_lost(close_reasons.TRANSPORT_ERROR)

    def limit(self, bounds: Bounds) -> None:
        """What it may cost from now on; never a larger message than what the transport was made with."""
        if bounds is self._bounds:
            return
        self._bounds.unfinished.release(self)
        self._bounds = bounds
        self._walk.most = bounds.message
        self._walk.frames = bounds.frames
        self._transport.set_write_buffer_limits(high=min(bounds.unread, _HIGH_WATER))
        if self._walk.held:
            bounds.unfinished.hold(self, self._walk.held)

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

    def close(self, code: int = WSCloseCode.OK, reason: bytes = b"") -> None:
        """Close with a handshake; a peer that does not answer is cut later."""
        self.owner = None
        if not self._open:
            return
        self._open = False
        if self._transport.is_closing():
            return
        self.flush()
        self._transport.write(frames.close_wire(code, reason))
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
        if self._walk.is_whole(data):
            self._read(data)
        else:
            self._follow(data)

    def _follow(self, data: bytes) -> None:
        if self._read is _discard:
            return
        try:
            whole = self._walk.follow(data)
        except WebSocketError as error:
            self.set_exception(error)
            return
        self._bounds.unfinished.hold(self, self._walk.held)
        if whole:
            self._read(whole)  # by nobody, if that was one too many

    def _let_go(self) -> None:
        """Of what has arrived, in the reader and before it; the reader refers back to us as well."""
        self._read = _discard
        self._walk = FrameWalk(0)

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
        self._bounds.unfinished.release(self)
        self._let_go()
        self._end(close_reasons.TRANSPORT_CLOSE)
