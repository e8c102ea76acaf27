"""The HTTP connections of a node: so many an address, none that keeps its request to itself or reads no answer."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Final, Protocol

from domain.networks import network_of
from server.http.readers import UNREAD_SECONDS, Readers
from server.sockets.engine.deadlines import Deadlines

# A request's head has to be there when it was looked at twice, and its body has to come on by so much in between.
LOOK_EVERY_SECONDS: Final = 10.0
LEAST_BYTES: Final = 4096


class Connection(Protocol):
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


class Connections:
    """``most``: of one address; None where every connection is a proxy's."""

    def __init__(
        self, most: int | None, look_every: float = LOOK_EVERY_SECONDS, unread_seconds: float = UNREAD_SECONDS
    ) -> None:
        self._most = most
        self._per_network: Counter[str] = Counter()
        self._open: dict[Connection, tuple[str, tuple[int, int] | None]] = {}
        self._looks: Deadlines[Connection] = Deadlines(look_every, lambda connection, due: self._look(connection))
        self._readers: Readers[Connection] = Readers(unread_seconds, self._drop_unread)
        self.counters = ConnectionCounters()

    def __len__(self) -> int:
        return len(self._open)

    def add(self, connection: Connection, address: str) -> bool:
        """False when its address has all that it may have."""
        network = network_of(address)
        if self._most is not None and self._per_network[network] >= self._most:
            self.counters.refused += 1
            return False
        self._per_network[network] += 1
        self._open[connection] = network, connection.progress
        self._looks.start(connection)
        return True

    def remove(self, connection: Connection) -> None:
        """It is gone, or a WebSocket, or another worker's."""
        known = self._open.pop(connection, None)
        if known is None:
            return
        self._looks.cancel(connection)
        self._readers.forget(connection)
        network = known[0]
        self._per_network[network] -= 1
        if not self._per_network[network]:
            del self._per_network[network]

    def clogged(self, connection: Connection) -> None:
        """More waits for it than the kernel takes."""
        if connection in self._open:
            self._readers.watch(connection)

    def stop(self) -> None:
        self._looks.stop()
        self._readers.stop()

    def _drop_unread(self, connection: Connection) -> None:
        self.counters.unread += 1
        connection.abort()

    def _look(self, connection: Connection) -> None:
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
            self._readers.watch(connection)
