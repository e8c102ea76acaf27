"""The polling transport: a bounded queue and at most one open poll.

A client that gives up its poll is noticed at once, though aiohttp does not notify a handler of that.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Final

from aiohttp import web

from server.engineio import close_reasons
from server.engineio.transport import Bounds, SharedTransportState, TransportOwner
from server.protocol import frames
from server.protocol.frames import SEPARATOR, Frame


def text_response(body: bytes) -> web.Response:
    """A polling body. Never compressed: lengths of compressed secrets leak, and most bodies are tiny."""
    headers = {"Content-Type": "text/plain; charset=UTF-8", "Cache-Control": "no-store"}
    return web.Response(body=body, headers=headers)


class PollGuard(asyncio.Protocol):
    """Sits between a transport and aiohttp's protocol while a poll is open, to notice that its client is gone."""

    __slots__ = ("_inner", "_lost", "_transport")

    def __init__(self, request: web.Request, lost: Callable[[], None]) -> None:
        if request.transport is None:
            raise ConnectionResetError
        self._inner = request.protocol
        self._transport = request.transport
        self._lost: Callable[[], None] | None = lost

    def __enter__(self) -> None:
        self._transport.set_protocol(self)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._lost is not None:
            self._lost = None
            self._transport.set_protocol(self._inner)

    def data_received(self, data: bytes) -> None:
        self._inner.data_received(data)

    def eof_received(self) -> None:
        self._inner.eof_received()

    def pause_writing(self) -> None:
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        self._inner.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        self._inner.connection_lost(exc)
        if self._lost is not None:
            lost, self._lost = self._lost, None
            lost()


# As often as the JavaScript server releases the poll of a client that is moving to a WebSocket.
_UPGRADE_CHECK_SECONDS: Final = 0.1
# python-engineio's client gives up on a body of more.
_PACKETS_A_POLL: Final = 16
# What a frame that waits costs besides its bytes.
_FRAME_BYTES: Final = 200


class Overlap(Exception):
    """A second poll while one is open."""


class PollingTransport:
    """Holds packets until a poll fetches them; also where a new WebSocket's first packets wait for it."""

    __slots__ = (
        "_most", "_poll", "_queue", "_resumed", "_shared", "_size", "_upgrading",
        "bounds", "owner", "posting", "reading",
    )  # fmt: skip

    name: Final = "polling"

    def __init__(self, shared: SharedTransportState, owner: TransportOwner, most: int) -> None:
        self.owner: TransportOwner | None = owner
        self.posting = False
        self.reading: asyncio.Transport | None = None
        self.bounds = shared.connected
        self._shared = shared
        self._most = most
        self._queue: deque[Frame] = deque()
        self._size = 0
        self._upgrading = False
        # What an open poll is answered with: a body, or None for what is queued by then.
        self._poll: asyncio.Future[bytes | None] | None = None
        self._resumed: asyncio.Future[None] | None = None

    # --- the way out ---

    @property
    def buffered(self) -> int:
        return self._size

    def send_text(self, payload: bytes) -> None:
        self.send_frame(frames.text(payload))

    def send_binary(self, payload: bytes) -> None:
        self.send_frame(frames.binary(payload))

    def send_frame(self, frame: Frame) -> None:
        counters = self._shared.counters
        counters.messages_out += 1
        counters.bytes_out += len(frame.wire)
        self.send_packet(frame)

    def send_packet(self, frame: Frame) -> None:
        # What waited before counts, not what is added: one large answer to a peer that polls is no backlog.
        if self._size > self.bounds.unread:
            self._overflow()
            return
        self._queue.append(frame)
        self._size += len(frame.wire) + _FRAME_BYTES
        self._wake(None)

    def _overflow(self) -> None:
        self._shared.counters.aborted_slow += 1
        owner = self.owner
        self.abort()
        if owner is not None:
            owner.on_lost(close_reasons.TRANSPORT_ERROR)

    def cut_unfinished(self) -> None:
        """End a peer whose unfinished body is the largest of too many."""
        owner = self.owner
        self.abort()
        if owner is not None:
            owner.on_lost(close_reasons.TRANSPORT_ERROR)

    def limit(self, bounds: Bounds) -> None:
        """What it may cost from now on; a message is the body of a POST."""
        self.bounds = bounds

    def _wake(self, body: bytes | None) -> None:
        if self._poll is not None and not self._poll.done():
            self._poll.set_result(body)

    # --- polls ---

    async def poll(self, request: web.Request) -> bytes:
        """The body for a poll, when there is something to send."""
        if self._poll is not None:
            raise Overlap
        if not self._queue:
            body = await self._wait(request)
            if body is not None:
                return body
        return self.take() or frames.NOOP.polled

    async def _wait(self, request: web.Request) -> bytes | None:
        poll: asyncio.Future[bytes | None] = asyncio.get_running_loop().create_future()
        self._poll = poll
        # Whoever moves waits for its last poll to return; one whose new transport has stalled goes on polling.
        pacing = asyncio.get_running_loop().call_later(_UPGRADE_CHECK_SECONDS, self._pace) if self._upgrading else None
        try:
            with PollGuard(request, self._given_up):
                return await poll
        except asyncio.CancelledError:
            self._given_up()
            raise
        finally:
            self._poll = None
            if pacing is not None:
                pacing.cancel()

    def _pace(self) -> None:
        if self._upgrading:
            self._wake(frames.NOOP.polled)

    def _given_up(self) -> None:
        owner = self.owner
        self.abort()
        if owner is not None:
            owner.on_lost(close_reasons.TRANSPORT_CLOSE)

    def take(self, most: int = _PACKETS_A_POLL) -> bytes:
        """As much of the queue as one body may hold, and no more than so many packets."""
        parts: list[bytes] = []
        total = -1
        while self._queue and len(parts) < most:
            # By itself: the JavaScript client forgets what came with it in one body.
            if parts and self._queue[0] is frames.CLOSE:
                break
            part = self._queue[0].polled
            total += len(part) + 1
            if parts and total > self._most:
                break
            parts.append(part)
            self._size -= len(self._queue.popleft().wire) + _FRAME_BYTES
        return SEPARATOR.join(parts)

    # --- moving to a WebSocket ---

    def begin_upgrade(self) -> None:
        """Let no poll stay open for long from now on; what is sent still goes over one that is."""
        self._upgrading = True
        self._wake(frames.NOOP.polled)

    def end_upgrade(self) -> None:
        """Go on polling: the new transport failed."""
        self._upgrading = False

    def retire(self) -> deque[Frame]:
        """What was not fetched; the transport itself is done with."""
        queue, self._queue, self._size = self._queue, deque(), 0
        self.owner = None
        self._wake(frames.NOOP.polled)
        self.resume_reading()
        return queue

    # --- backpressure on the client ---

    def pause_reading(self) -> None:
        if self._resumed is None:
            self._resumed = asyncio.get_running_loop().create_future()

    def resume_reading(self) -> None:
        resumed, self._resumed = self._resumed, None
        if resumed is not None and not resumed.done():
            resumed.set_result(None)

    async def readable(self) -> None:
        """Waits while reading is paused."""
        while self._resumed is not None:
            await asyncio.shield(self._resumed)

    # --- the end ---

    def close(self, code: int) -> None:
        """Answer the open poll, if there is one; see ``ClosingPolls`` for when there is not."""
        self._end(frames.CLOSE)

    def hang_up(self) -> None:
        """The client itself closed: an open poll is only released."""
        self._queue.clear()
        self._end(frames.NOOP)

    def release(self) -> None:
        """Answer the open poll; the next one will not find the session."""
        self._end(frames.NOOP)

    def abort(self) -> None:
        self._queue.clear()
        self._size = 0  # nothing is left to be fetched, and a body under way ends at once
        self._end(frames.CLOSE)

    def _end(self, last: Frame) -> None:
        # A POST that breaks off is an error to the client, which would not fetch what is left.
        fetched = self._size == 0
        self.owner = None
        self._upgrading = False
        self._queue.append(last)
        self._size = 0
        self._wake(None)
        self.resume_reading()
        if fetched:
            self.break_off()

    def break_off(self) -> None:
        """End the POST whose body is being read."""
        if self.reading is not None:
            self.reading.abort()

    @property
    def drained(self) -> bool:
        """Whether polls have fetched everything."""
        return not self._queue

    @property
    def polled(self) -> bool:
        """Whether a poll is open."""
        return self._poll is not None
