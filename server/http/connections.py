"""The HTTP connections of a node: limited by address, and cut when a request comes too slowly or an answer is not read.

An answer is kept in memory until it is read. How much the other end has acknowledged is asked of the kernel, which
keeps a large part of it.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Generic, Protocol, TypeVar

from domain.networks import network_of
from server.deadlines import Deadlines
from server.network_counts import NetworkCounts

UNREAD_SECONDS: Final = 15.0
# Several, because what the kernel keeps is taken for a moment longer than what is read.
_LOOKS: Final = 3


class AnsweredConnection(Protocol):
    """``unread``: bytes of answers that it has not taken yet; ``taken``: those that it has."""

    @property
    def unread(self) -> int: ...
    @property
    def taken(self) -> int: ...


C = TypeVar("C", bound=AnsweredConnection)


class UnreadAnswers(Generic[C]):
    """Watches connections whose answers wait; ``drop`` is called with those that took nothing for so long."""

    def __init__(self, seconds: float, drop: Callable[[C], None]) -> None:
        self._drop = drop
        # What each had taken when last looked at, and how many looks in a row that was the same.
        self._waiting: dict[C, tuple[int, int]] = {}
        self._looks: Deadlines[C] = Deadlines(seconds / _LOOKS, lambda connection, due: self._look(connection))

    def watch(self, connection: C) -> None:
        """Something waits for it."""
        if connection not in self._waiting:
            self._waiting[connection] = connection.taken, 0
            self._looks.start(connection)

    def forget(self, connection: C) -> None:
        """It is gone."""
        if self._waiting.pop(connection, None) is not None:
            self._looks.cancel(connection)

    def stop(self) -> None:
        self._waiting.clear()
        self._looks.stop()

    def _look(self, connection: C) -> None:
        before, idle = self._waiting.pop(connection)
        if not connection.unread:
            return
        now = connection.taken
        idle = idle + 1 if now == before else 0
        if idle == _LOOKS:
            self._drop(connection)
            return
        self._waiting[connection] = now, idle
        self._looks.start(connection)


if sys.platform == "linux":
    import fcntl
    import socket
    import termios

    # ``tcpi_bytes_acked`` in ``struct tcp_info`` of linux/tcp.h, 64 bits in the machine's order.
    _ACKNOWLEDGED: Final = slice(120, 128)

    def waiting(transport: asyncio.Transport) -> int:
        """Bytes that were written and not acknowledged."""
        try:
            queued = fcntl.ioctl(_socket_of(transport).fileno(), termios.TIOCOUTQ, bytes(4))
        except (OSError, ValueError):  # closed meanwhile
            return 0
        return transport.get_write_buffer_size() + int.from_bytes(queued, sys.byteorder)

    def taken(transport: asyncio.Transport) -> int:
        """Bytes acknowledged so far."""
        try:
            info = _socket_of(transport).getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _ACKNOWLEDGED.stop)
        except OSError:
            return 0
        return int.from_bytes(info[_ACKNOWLEDGED], sys.byteorder)

else:

    def waiting(transport: asyncio.Transport) -> int:
        """Bytes that were written and that the kernel did not take."""
        return transport.get_write_buffer_size()

    def taken(transport: asyncio.Transport) -> int:
        """Changes when the kernel takes some."""
        return -transport.get_write_buffer_size()


def _socket_of(transport: asyncio.Transport) -> Any:
    return transport.get_extra_info("socket")


# A request's head has to be there when it was looked at twice, and its body has to come on by so much in between.
LOOK_EVERY_SECONDS: Final = 10.0
LEAST_BYTES: Final = 4096


class HttpConnection(Protocol):
    """``progress``: how far the request has come that is being received; None when none is.

    ``unread`` and ``taken``: as of any reader.
    """

    @property
    def progress(self) -> tuple[int, int] | None: ...
    @property
    def unread(self) -> int: ...
    @property
    def taken(self) -> int: ...
    def abort(self) -> None: ...


@dataclass(slots=True)
class ConnectionCounters:
    refused: int = 0
    too_slow: int = 0
    unread: int = 0


class HttpConnections:
    """``most``: of one address; None where every connection is a proxy's."""

    def __init__(
        self, most: int | None, look_every: float = LOOK_EVERY_SECONDS, unread_seconds: float = UNREAD_SECONDS
    ) -> None:
        self._per_network = NetworkCounts(most)
        self._open: dict[HttpConnection, tuple[str, tuple[int, int] | None]] = {}
        self._looks: Deadlines[HttpConnection] = Deadlines(look_every, lambda connection, due: self._look(connection))
        self._unread_answers: UnreadAnswers[HttpConnection] = UnreadAnswers(unread_seconds, self._drop_unread)
        self.counters = ConnectionCounters()

    def __len__(self) -> int:
        return len(self._open)

    def add(self, connection: HttpConnection, address: str) -> bool:
        """False when its address, or the site of it, has all that it may have."""
        network = network_of(address)
        if self._per_network.is_full(network):
            self.counters.refused += 1
            return False
        self._per_network.add(network)
        self._open[connection] = network, connection.progress
        self._looks.start(connection)
        return True

    def remove(self, connection: HttpConnection) -> None:
        """It is gone, or a WebSocket, or another worker's."""
        known = self._open.pop(connection, None)
        if known is None:
            return
        self._looks.cancel(connection)
        self._unread_answers.forget(connection)
        self._per_network.remove(known[0])

    def clogged(self, connection: HttpConnection) -> None:
        """More waits for it than the kernel takes."""
        if connection in self._open:
            self._unread_answers.watch(connection)

    def stop(self) -> None:
        self._looks.stop()
        self._unread_answers.stop()

    def _drop_unread(self, connection: HttpConnection) -> None:
        self.counters.unread += 1
        connection.abort()

    def _look(self, connection: HttpConnection) -> None:
        network, before = self._open[connection]
        now = connection.progress
        if now is not None and before is not None and now[0] == before[0] and now[1] < before[1] + LEAST_BYTES:
            self.counters.too_slow += 1
            connection.abort()
            return
        self._open[connection] = network, now
        self._looks.start(connection)
        # Too little to clog it: the kernel holds much, and a closed connection stays open until the rest is read.
        if connection.unread:
            self._unread_answers.watch(connection)
