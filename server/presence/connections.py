"""The connections of this node that watch somebody's presence, and the gateway's calls as devices come and go.

Not rooms: a room's events are published by handlers and ordered by room, while these come with a version from every
node, are compared by ``Watches``, and go to the watchers here only. Any connection of any namespace makes somebody
present.
"""

from __future__ import annotations

from collections.abc import Collection

from domain.wire.events import PRESENCE, PresenceChanged
from server.callbacks import notify
from server.engineio.socket import EngineSocket
from server.presence.presence import Presence
from server.protocol import frames
from server.protocol.packets import encode
from server.revocation.freshness import Freshness
from server.sockets.clients import Client, NamespaceConnection


class WatchingConnections:
    """``freshness``: while it is not current, a connection may be one of a session that was revoked."""

    def __init__(self, freshness: Freshness) -> None:
        self._freshness = freshness
        self._sockets: dict[str, EngineSocket] = {}
        self._watching: dict[str, dict[str, EngineSocket]] = {}
        self.sent = 0

    def connected(self, connection: str, socket: EngineSocket) -> None:
        self._sockets[connection] = socket

    def left(self, connection: str) -> None:
        """It watches nobody any more."""
        self._sockets.pop(connection, None)

    @property
    def watched(self) -> int:
        return len(self._watching)

    def watching(self, user_id: str) -> Collection[str]:
        """The connections that watch somebody."""
        return tuple(self._watching.get(user_id, ()))

    def send_to(self, connection: str, event: PresenceChanged) -> None:
        """To one that watches; the others have no part in it."""
        socket = self._watching.get(event.user_id, {}).get(connection)
        if socket is not None and self.may_send():
            notify(socket.send_frame, frames.text(encode(event, PRESENCE)))
            self.sent += 1

    # --- the audience of ``Watches`` ---

    def is_there(self, connection: str) -> bool:
        return connection in self._sockets

    def join(self, connection: str, user_id: str) -> None:
        self._watching.setdefault(user_id, {})[connection] = self._sockets[connection]

    def leave(self, connection: str, user_id: str) -> None:
        watching = self._watching.get(user_id)
        if watching is not None and watching.pop(connection, None) is not None and not watching:
            del self._watching[user_id]

    def may_send(self) -> bool:
        if self._freshness.current:
            return True
        self._freshness.missed()
        return False

    def send(self, event: PresenceChanged) -> None:
        """Encoded once, written to everybody; a copy, as writing to one that does not read may end it."""
        watching = tuple(self._watching.get(event.user_id, {}).values())
        if not watching:
            return
        frame = frames.text(encode(event, PRESENCE))
        for socket in watching:
            notify(socket.send_frame, frame)
        self.sent += len(watching)


class Attendance:
    def __init__(self, presence: Presence, audience: WatchingConnections) -> None:
        self._presence = presence
        self._audience = audience

    def admitted(self, client: Client, connection: NamespaceConnection) -> None:
        """Before it joins any room."""
        if connection.namespace == PRESENCE:
            self._audience.connected(connection.sid, client.socket)
        actor = connection.actor
        self._presence.connected(connection.sid, client, actor.user_id, actor.presence, actor.choice)

    def left(self, client: Client, connection: NamespaceConnection) -> None:
        """Before it is taken out of its rooms."""
        self._presence.left(connection.sid)
        self._audience.left(connection.sid)

    def gone(self, client: Client) -> None:
        """It is in no namespace any more."""
        self._presence.disconnected(client)
