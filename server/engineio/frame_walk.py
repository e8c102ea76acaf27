"""The frames of a WebSocket before aiohttp's reader has them.

The reader accepts frames of a client that are not masked, upon which RFC 6455, 5.1 has the server close the connection;
nor does it tell how much it holds, or take another limit once it is made.
"""

from __future__ import annotations

import sys
from typing import Final

from aiohttp import WebSocketError, WSCloseCode

_MASKED: Final = 0x80
_FINAL: Final = 0x80
_CONTROL: Final = 0x08
_SHORT: Final = 6


class FrameWalk:
    """Follows the frames of a stream of them, however the stream is cut, and keeps the one that is not whole.

    The reader would keep every read of it as an object, which costs thirty times what tiny ones hold.
    """

    __slots__ = ("_begun", "_last", "_left", "_message", "frames", "most")

    def __init__(self, most: int, frames: int = sys.maxsize) -> None:
        # The largest message, all its fragments together.
        self.most = most
        # How many one read may bring.
        self.frames = frames
        # The frame under way with its head, and what is left of it; nothing is known to be while the head is not whole.
        self._begun = bytearray()
        self._left = 0
        # What the unfinished message has been announced to be so far, and whether the frame under way is its last.
        self._message = 0
        self._last = False

    @property
    def held(self) -> int:
        """Bytes that have arrived of a message that is not whole."""
        return max(0, self._message - self._left)

    def is_whole(self, data: bytes) -> bool:
        """Whether ``data`` is one masked message by itself, as nearly always; if not, ``follow`` it."""
        if self._begun or len(data) < _SHORT:
            return False
        first, second = data[0], data[1]
        # Fragments are followed: enough short ones are a long message.
        if second == _MASKED + 126:
            size = data[2] << 8 | data[3]
            return len(data) == size + 8 and size <= self.most and _FINAL < first < _FINAL | _CONTROL
        return _MASKED <= second < _MASKED + 126 and len(data) == second - _MASKED + _SHORT and first > _FINAL

    def follow(self, data: bytes) -> bytes:
        """The frames that are whole now. Raises ``WebSocketError``: no mask, too large a message or control frame, too
        many at once."""
        if self._message > self.most:  # of a message that was announced under another limit
            raise _too_large()
        if len(data) < self._left:
            self._begun += data
            self._left -= len(data)
            return b""
        begun = self._begun
        if begun and not self._left:  # its head is not whole
            data, begun = bytes(begun) + data, bytearray()
        whole = at = self._left
        count = 0
        while (at := self._end_of_frame(data, at)) <= len(data):
            if at == whole:
                break
            whole = at
            count += 1
            if count > self.frames:
                raise WebSocketError(WSCloseCode.POLICY_VIOLATION, "too many frames at once")
        self._left = max(0, at - len(data))
        self._begun = bytearray(data[whole:])
        return bytes(begun + data[:whole]) if whole else b""

    def _end_of_frame(self, data: bytes, at: int) -> int:
        """Where the frame that begins at ``at`` ends, or ``at`` itself while its head is not whole."""
        if self._last:
            self._message, self._last = 0, False
        there = len(data) - at
        if there < 2:
            return at
        first, second = data[at], data[at + 1]
        if second < _MASKED:
            raise WebSocketError(WSCloseCode.PROTOCOL_ERROR, "a frame without a mask")
        size, head = second - _MASKED, _SHORT
        if size >= 126:
            if first & _CONTROL:
                raise WebSocketError(WSCloseCode.PROTOCOL_ERROR, "a large control frame")
            head = 8 if size == 126 else 14
            if there < head:
                return at
            size = int.from_bytes(data[at + 2 : at + head - 4], "big")
        if not first & _CONTROL:
            if there < head:
                return at
            self._message += size
            self._last = first >= _FINAL
            if self._message > self.most:
                raise _too_large()
        return at + head + size


def _too_large() -> WebSocketError:
    return WebSocketError(WSCloseCode.MESSAGE_TOO_BIG, "too large a message")
