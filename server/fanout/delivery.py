"""The last step of every live event: written to the sockets of this process."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from time import monotonic

import structlog

from domain.wire.events import BOOKINGS, CONVERSATIONS, SyncRequired
from server.engineio.socket import EngineSocket
from server.observability.logging import safe_traceback
from server.protocol import frames
from server.protocol.frames import Frame
from server.protocol.packets import encode
from server.revocation.freshness import Freshness
from server.sockets.rooms import RoomMembers

log = structlog.get_logger("fanout")

# What is live in a namespace may have been missed: whoever is connected asks again.
_SYNC_REQUIRED = {name: frames.text(encode(SyncRequired(), name)) for name in (CONVERSATIONS, BOOKINGS)}


@dataclass(slots=True)
class DeliveryCounters:
    delivered: int = 0
    resyncs: int = 0
    held: int = 0
    gap_fills: int = 0
    garbage: int = 0


class Delivery:
    """Nothing is written while ``freshness`` is not current: those who are told of its return fetch the entries that
    were withheld, and have the members sync for the rest."""

    def __init__(self, members: RoomMembers, freshness: Freshness) -> None:
        self._members = members.of
        self._freshness = freshness
        self.counters = DeliveryCounters()

    def serves(self) -> bool:
        """Whether anything may be written now; if not, what is due is due again when it may."""
        if monotonic() < self._freshness.expires_at:
            return True
        self._freshness.missed()
        return False

    def deliver(self, namespace: str, room: str, frame: Frame) -> bool:
        """False when it was withheld from somebody."""
        return self.deliver_to(self._members(namespace, room), frame)

    def deliver_to(self, members: Collection[EngineSocket], frame: Frame) -> bool:
        """The same, to some."""
        if members and not self.serves():
            return False
        self.counters.delivered += len(members)
        for socket in members:
            try:
                socket.send_frame(frame)
            except Exception as error:
                _log_failure(error)
        return True

    def resync(self, room: str) -> None:
        """Whoever is in the room has to ask what it missed."""
        for namespace, frame in _SYNC_REQUIRED.items():
            self._resync(self._members(namespace, room), frame)

    def resync_each(self, namespace: str, members: Collection[EngineSocket]) -> None:
        """The same of some."""
        self._resync(members, _SYNC_REQUIRED[namespace])

    def _resync(self, members: Collection[EngineSocket], frame: Frame) -> None:
        self.counters.resyncs += len(members)
        for socket in members:
            try:
                socket.send_frame(frame)
            except Exception as error:
                _log_failure(error)


def _log_failure(error: Exception) -> None:
    """And go on: the other sockets of the room are not to miss it."""
    log.error("writing to a socket failed", **safe_traceback(error))
