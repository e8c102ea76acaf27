"""What the gateway tells of its clients: any connection of any namespace makes somebody present."""

from __future__ import annotations

from domain.events import PRESENCE
from server.presence.audience import Connections
from server.presence.presence import Presence
from server.sockets.clients import Client, Connection


class Attendance:
    def __init__(self, presence: Presence, audience: Connections) -> None:
        self._presence = presence
        self._audience = audience

    def admitted(self, client: Client, connection: Connection) -> None:
        """Before it joins any room."""
        if connection.namespace == PRESENCE:
            self._audience.connected(connection.sid, client.socket)
        self._presence.connected(connection.sid, client, connection.actor.user_id, connection.actor.presence)

    def left(self, client: Client, connection: Connection) -> None:
        """Before it is taken out of its rooms."""
        self._presence.left(connection.sid)
        self._audience.left(connection.sid)

    def gone(self, client: Client) -> None:
        """It is in no namespace any more."""
        self._presence.disconnected(client)
