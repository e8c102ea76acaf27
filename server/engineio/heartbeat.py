"""Pings on time, and the end of peers that do not answer."""

from __future__ import annotations

import asyncio
from typing import Final, Protocol

from server.deadlines import Deadlines

_PUNCTUAL: Final = 0.05


class Peer(Protocol):
    """What the heartbeat needs of a socket."""

    @property
    def paused(self) -> bool: ...
    def ping(self) -> None: ...
    def unanswered(self) -> None: ...


class Heartbeat:
    """A ping one interval after the last pong; a peer that sends nothing for one time-out after it is given up."""

    __slots__ = ("_idle", "_pinged", "_timeout")

    def __init__(self, interval: float, timeout: float) -> None:
        self._timeout = timeout
        self._idle: Deadlines[Peer] = Deadlines(interval, self._ping)
        self._pinged: Deadlines[Peer] = Deadlines(timeout, self._judge)

    def __len__(self) -> int:
        return len(self._idle) + len(self._pinged)

    def start(self, peer: Peer) -> None:
        """Watch over a new peer."""
        self._idle.start(peer)

    def pong(self, peer: Peer) -> None:
        """The answer to a ping; one that nobody asked for changes nothing."""
        if self._pinged.cancel(peer):
            self._idle.start(peer)

    def stop(self, peer: Peer) -> None:
        """Forget a peer."""
        if not self._idle.cancel(peer):
            self._pinged.cancel(peer)

    def shutdown(self) -> None:
        """Forget every peer."""
        self._idle.stop()
        self._pinged.stop()

    def _ping(self, peer: Peer, due: float) -> None:
        late = asyncio.get_running_loop().time() - due
        # Counting from the due time keeps two chained timers from adding up; a late ping gets its full time.
        self._pinged.start(peer, due if late < _PUNCTUAL else None)
        peer.ping()

    def _judge(self, peer: Peer, due: float) -> None:
        late = asyncio.get_running_loop().time() - due
        # After a stall of our own, or while we are not reading, the pong may lie unread on our side.
        if peer.paused or late > max(_PUNCTUAL, self._timeout / 4):
            self._pinged.start(peer)
        else:
            peer.unanswered()
