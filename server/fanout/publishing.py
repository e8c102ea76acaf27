"""The connection that publishes: pipelined, every reply accounted for."""

from __future__ import annotations

import asyncio
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
        self._count = dialect.count
        # Channels that were published to; a future where it was asked who listens.
        self._unanswered: deque[bytes | asyncio.Future[int | None]] = deque()

    def publish(self, channel: bytes, payload: bytes) -> None:
        self._unanswered.append(channel)
        self._outgoing += (self._form % (len(channel), channel, len(payload)), payload, b"\r\n")
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._flush)

    def listeners(self, channel: bytes) -> asyncio.Future[int | None]:
        """How many there were between what is published before and what is published after; None: not known."""
        answer: asyncio.Future[int | None] = self._loop.create_future()
        if self._count is None or self.lost.done():
            answer.set_result(None)
        else:
            self._unanswered.append(answer)
            self.write(b"*3\r\n$6\r\nPUBSUB\r\n$%d\r\n%b\r\n" % (len(self._count), self._count))
            self.write(b"$%d\r\n%b\r\n" % (len(channel), channel))
        return answer

    @property
    def unanswered(self) -> int:
        """So many messages may not have been published."""
        return sum(isinstance(each, bytes) for each in self._unanswered)

    def replied(self, reply: Any) -> None:
        asked = self._unanswered.popleft()
        refused = isinstance(reply, hiredis.ReplyError)
        if isinstance(asked, bytes):
            if refused:
                self._failed(asked, str(reply))
        elif not asked.done():
            asked.set_result(None if refused else int(reply[1]))

    def connection_lost(self, error: Exception | None) -> None:
        for asked in self._unanswered:
            if not isinstance(asked, bytes) and not asked.done():
                asked.set_result(None)
        super().connection_lost(error)
