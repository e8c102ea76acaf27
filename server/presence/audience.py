"""The connections of this node that watch somebody.

Not rooms: a room's events come by its channel and leave by the publisher's door, while these come with a version
from every node, are sifted by ``Watches``, and go to the members here only.
"""

from __future__ import annotations

from domain.events import PRESENCE, PresenceChanged
from server.fanout.encoding import encode
from server.sockets.engine import frames
from server.sockets.engine.engine_socket import EngineSocket


class Connections:
    def __init__(self) -> None:
        self._sockets: dict[str, EngineSocket] = {}
        self._watching: dict[str, dict[str, EngineSocket]] = {}
        self.told = 0

    def connected(self, connection: str, socket: EngineSocket) -> None:
        self._sockets[connection] = socket

    def left(self, connection: str) -> None:
        """It watches nobody any more."""
        self._sockets.pop(connection, None)

    @property
    def watched(self) -> int:
        return len(self._watching)

    # --- the audience of ``Watches`` ---

    def is_there(self, connection: str) -> bool:
        return connection in self._sockets

    def join(self, connection: str, user_id: str) -> None:
        self._watching.setdefault(user_id, {})[connection] = self._sockets[connection]

    def leave(self, connection: str, user_id: str) -> None:
        watching = self._watching.get(user_id)
        if watching is not None and watching.pop(connection, None) is not None and not watching:
            del self._watching[user_id]

    def tell(self, event: PresenceChanged) -> None:
        """Encoded once, written to everybody; a copy, as writing to one that does not read may end it."""
        watching = tuple(self._watching.get(event.user_id, {}).values())
        if not watching:
            return
        frame = frames.text(encode(event, PRESENCE))
        for socket in watching:
            socket.send_frame(frame)
        self.told += len(watching)
