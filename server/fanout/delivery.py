"""The last step of every live event: written to the sockets of this process."""

from __future__ import annotations

from dataclasses import dataclass

from domain.events import CONVERSATIONS, SyncRequired
from server.fanout.encoding import encode
from server.sockets.engine import frames
from server.sockets.engine.frames import Frame
from server.sockets.rooms import Rooms

_SYNC_REQUIRED = frames.text(encode(SyncRequired(), CONVERSATIONS))


@dataclass(slots=True)
class DeliveryCounters:
    delivered: int = 0
    resyncs: int = 0
    held: int = 0
    gap_fills: int = 0
    garbage: int = 0


class Delivery:
    def __init__(self, rooms: Rooms) -> None:
        self._members = rooms.members
        self.counters = DeliveryCounters()

    def deliver(self, namespace: str, room: str, frame: Frame) -> None:
        members = self._members(namespace, room)
        self.counters.delivered += len(members)
        for socket in members:
            socket.send_frame(frame)

    def resync(self, room: str) -> None:
        """Whoever is in the room has to ask what it missed."""
        members = self._members(CONVERSATIONS, room)
        self.counters.resyncs += len(members)
        for socket in members:
            socket.send_frame(_SYNC_REQUIRED)
