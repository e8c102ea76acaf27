"""RFC 6455, 5.1: a server closes the connection upon a client's frame that is not masked; aiohttp's reader takes it."""

from __future__ import annotations

from typing import Final

_MASKED: Final = 0x80
_SHORT: Final = 6


class Masking:
    """Looks at the head of each frame in a stream of them, however the stream is cut."""

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
