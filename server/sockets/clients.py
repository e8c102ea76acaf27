"""A client's socket with its connections to namespaces, and the sockets of each user, so that a revocation finds them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Literal

from domain.accounts import session_ended
from domain.sessions import Reason, public_reason
from domain.wire.events import Event, SessionRevoked
from handlers.access import Actor
from server.engineio import close_reasons
from server.engineio.socket import EngineSocket
from server.protocol import packets
from server.protocol.packets import encode

# Why a socket is not read for a while: too many commands at work, too many refused, the node is on its way out.
Hold = Literal["busy", "flood", "drain"]
# To connect a namespace; called when it fails, it ends what the namespace was connected as before.
Attempt = Callable[[], None]


class NamespaceConnection:
    """A namespace that a client was admitted to.

    ``numbering``: of the acknowledgements; the client begins anew when it has left, but not when it connects twice.
    """

    __slots__ = ("actor", "namespace", "numbering", "sid")

    def __init__(self, namespace: str, sid: str, actor: Actor, former: NamespaceConnection | None = None) -> None:
        self.namespace = namespace
        self.sid = sid
        self.actor = actor
        self.numbering: object = object() if former is None else former.numbering


class Client:
    """A socket: at most one user, in any of the namespaces."""

    __slots__ = (
        "_holds",
        "admitting",
        "attachments_due",
        "binary",
        "checking",
        "connections",
        "expires_at",
        "failures",
        "fenced",
        "in_flight",
        "over_limit",
        "reading",
        "renewal_requested",
        "socket",
        "submit_lock",
        "timer",
        "user_id",
    )

    def __init__(self, socket: EngineSocket) -> None:
        self.socket = socket
        self.connections: dict[str, NamespaceConnection] = {}
        # Of each namespace that is being connected, the attempt that counts.
        self.admitting: dict[str, Attempt] = {}
        self.user_id: str | None = None
        # Sessions whose tokens are being looked up.
        self.checking: list[str] = []
        self.expires_at: datetime | None = None
        # Whether it was notified that its token is running out.
        self.renewal_requested = False
        # Reaping while nothing is connected, the token's expiry afterwards.
        self.timer: asyncio.TimerHandle | None = None
        self.submit_lock = asyncio.Lock()
        # Of the commands with large answers one is at work.
        self.reading = asyncio.Lock()
        # Tokens of nobody that it has shown since it was last admitted.
        self.failures = 0
        self.in_flight = 0
        # Of which events none is taken, and until when, by the monotonic clock: see ``Dispatcher``.
        self.fenced: dict[str, float] = {}
        self.over_limit = 0
        # Of the last binary event: the attachments still to come, its namespace and acknowledgement id.
        self.attachments_due = 0
        self.binary: tuple[str, int | None] = ("/", None)
        self._holds: set[Hold] = set()

    def belongs_to(self, session_id: str) -> bool:
        """Whether the session is, or is about to be, one of those that this socket was admitted with."""
        return session_id in self.checking or any(
            connection.actor.session_id == session_id for connection in self.connections.values()
        )

    def send_event(self, event: Event) -> None:
        """Send it on each connected namespace."""
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


class Registry:
    """``limit``: the most sockets one user may hold on this node. ``gone`` is given users without any."""

    def __init__(self, limit: int, gone: Callable[[str], None]) -> None:
        self._limit = limit
        self._gone = gone
        self._of_user: dict[str, set[Client]] = {}

    def add(self, client: Client, user_id: str) -> bool:
        """Before its token is checked, so that a revocation in between is not missed; false when over the limit."""
        clients = self._of_user.setdefault(user_id, set())
        if client not in clients and len(clients) >= self._limit:
            return False
        clients.add(client)
        client.user_id = user_id
        return True

    def release(self, client: Client) -> None:
        """Forget a client that is in no namespace and whose token is not being checked."""
        if not client.connections and not client.checking:
            self.remove(client)

    def remove(self, client: Client) -> None:
        user_id, client.user_id = client.user_id, None
        if user_id is None:
            return
        clients = self._of_user.get(user_id)
        if clients is not None:
            clients.discard(client)
            if not clients:
                del self._of_user[user_id]
                self._gone(user_id)

    def cut(self, user_id: str, reason: Reason, session_id: str | None = None) -> None:
        """Close the user's sockets (of one session only, if named), with the reason sent first.

        What is about to be connected is refused: a client without an answer would only try again.
        """
        for client in tuple(self._of_user.get(user_id, ())):
            if session_id is None or client.belongs_to(session_id):
                client.send_event(SessionRevoked(reason=public_reason(reason)))
                for namespace in tuple(client.admitting):
                    client.socket.send_text(_refused(namespace))
                client.socket.close(close_reasons.SESSION_ENDED)

    def sessions_of(self, user_id: str) -> set[str]:
        """Those that the user's sockets were admitted with, or are about to be."""
        found: set[str] = set()
        for client in self._of_user.get(user_id, ()):
            found.update(client.checking)
            found.update(connection.actor.session_id for connection in client.connections.values())
        return found

    def user_ids(self) -> list[str]:
        return list(self._of_user)

    @property
    def users(self) -> int:
        return len(self._of_user)


def _refused(namespace: str) -> bytes:
    error = session_ended()
    return packets.refused(namespace, error.message, error.code)
