"""The connection that publishes: pipelined, every reply accounted for."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import hiredis

from server.fanout.connection import Connection
from server.fanout.dialect import Dialect


class Publishing(Connection):
    """``failed`` hears of each channel whose message the server refused."""

    def __init__(self, dialect: Dialect, failed: Callable[[bytes, str], None]) -> None:
        super().__init__()
        word = dialect.publish.encode()
        self._form = b"*3\r\n$%d\r\n%b\r\n$%%d\r\n%%b\r\n$%%d\r\n" % (len(word), word)
        self._failed = failed
        self.unanswered: deque[bytes] = deque()

    def publish(self, channel: bytes, payload: bytes) -> None:
        self.unanswered.append(channel)
        self._outgoing += (self._form % (len(channel), channel, len(payload)), payload, b"\r\n")
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._flush)

    def replied(self, reply: Any) -> None:
        channel = self.unanswered.popleft()
        if isinstance(reply, hiredis.ReplyError):
            self._failed(channel, str(reply))
