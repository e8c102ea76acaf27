"""The one door through which live events leave: encoded once, written to every member of the rooms."""

from __future__ import annotations

from domain.events import Event
from server.fanout.encoding import encode
from server.sockets.engine import frames
from server.sockets.rooms import Rooms


class LocalPublisher:
    """Delivers to the sockets of this process."""

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms
        self.published = 0
        self.delivered = 0

    def publish(self, event: Event, *rooms: str) -> None:
        frame = None
        self.published += 1
        for room in rooms:
            for socket in self._rooms.members(event.namespace, room):
                if frame is None:
                    frame = frames.text(encode(event, event.namespace))
                socket.send_frame(frame)
                self.delivered += 1

