"""One client's socket as the gateway sees it, and its part in each namespace."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Literal

from domain.events import Event
from handlers.actor import Actor
from server.fanout.encoding import encode
from server.sockets.engine.engine_socket import EngineSocket

# Why a socket is not read for a while: too many commands at work, too many refused, the node is on its way out.
Hold = Literal["busy", "flood", "drain"]


class Connection:
    """A namespace that a client was admitted to."""

    __slots__ = ("actor", "namespace", "sid")

    def __init__(self, namespace: str, sid: str, actor: Actor) -> None:
        self.namespace = namespace
        self.sid = sid
        self.actor = actor


class Client:
    """A socket: at most one user, in any of the namespaces."""

    __slots__ = (
        "_holds",
        "admitting",
        "asked",
        "attachments_due",
        "binary",
        "checking",
        "connections",
        "expires_at",
        "in_flight",
        "over_limit",
        "reading",
        "socket",
        "timer",
        "turn",
        "user_id",
    )

    def __init__(self, socket: EngineSocket) -> None:
        self.socket = socket
        self.connections: dict[str, Connection] = {}
        # Of each namespace that is being connected, the attempt that counts.
        self.admitting: dict[str, object] = {}
        self.user_id: str | None = None
        # Sessions whose tokens are being looked up.
        self.checking: list[str] = []
        self.expires_at: datetime | None = None
        # Whether it was told that its token is running out.
        self.asked = False
        # Reaping while nothing is connected, the token's expiry afterwards.
        self.timer: asyncio.TimerHandle | None = None
        self.turn = asyncio.Lock()
        # Of the commands with large answers one is at work.
        self.reading = asyncio.Lock()
        self.in_flight = 0
        self.over_limit = 0
        # Of the last binary event: the attachments still to come, its namespace and acknowledgement id.
        self.attachments_due = 0
        self.binary: tuple[str, int | None] = ("/", None)
        self._holds: set[Hold] = set()

    def belongs_to(self, session_id: str) -> bool:
        """Whether the session is, or is about to be, one of those that this socket lives by."""
        return session_id in self.checking or any(
            connection.actor.session_id == session_id for connection in self.connections.values()
        )

    def tell(self, event: Event) -> None:
        """Say it on each connected namespace."""
        # Copied: writing to a client that does not read may end it, and with it its connections.
        for namespace in tuple(self.connections):
            self.socket.send_text(encode(event, namespace))

    def hold(self, why: Hold) -> None:
        """Read nothing more until every hold is released."""
        self._holds.add(why)
        self.socket.pause()

    def release(self, why: Hold) -> None:
        if why in self._holds:
            self._holds.discard(why)
            if not self._holds:
                self.socket.resume()

    def stop_timer(self) -> None:
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
