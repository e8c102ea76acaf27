"""One client's socket as the gateway sees it, and its part in each namespace."""

from __future__ import annotations

import asyncio
from datetime import datetime

from domain.events import Event
from handlers.actor import Actor
from server.fanout.encoding import encode
from server.sockets.engine.engine_socket import EngineSocket


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
        "admitting",
        "attachments_due",
        "binary_ack",
        "connections",
        "expires_at",
        "in_flight",
        "session_id",
        "socket",
        "timer",
        "turn",
        "user_id",
    )

    def __init__(self, socket: EngineSocket) -> None:
        self.socket = socket
        self.connections: dict[str, Connection] = {}
        self.admitting: set[str] = set()
        self.user_id: str | None = None
        self.session_id: str | None = None
        self.expires_at: datetime | None = None
        # Reaping while nothing is connected, the token's expiry afterwards.
        self.timer: asyncio.TimerHandle | None = None
        self.turn = asyncio.Lock()
        self.in_flight = 0
        self.attachments_due = 0
        self.binary_ack: tuple[str, int] | None = None

    def tell(self, event: Event) -> None:
        """Say it on each connected namespace."""
        for namespace in self.connections:
            self.socket.send_text(encode(event, namespace))

    def stop_timer(self) -> None:
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
