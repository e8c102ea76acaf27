"""Which sockets belong to whom, so that a revocation finds them."""

from __future__ import annotations

from collections.abc import Callable

from domain.accounts import session_ended
from domain.events import SessionRevoked
from server.sockets import replies
from server.sockets.clients import Client


class Registry:
    """``limit``: the most sockets one user may hold on this node. ``gone`` hears of users without any."""

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

    def cut(self, user_id: str, reason: str, session_id: str | None = None) -> None:
        """Close the user's sockets (of one session only, if named), telling them why.

        What is about to be connected is refused: a client that hears nothing would only try again.
        """
        for client in tuple(self._of_user.get(user_id, ())):
            if session_id is None or client.belongs_to(session_id):
                client.tell(SessionRevoked(reason=reason))
                for namespace in tuple(client.admitting):
                    client.socket.send_text(_refused(namespace))
                client.socket.close()

    def sessions_of(self, user_id: str) -> set[str]:
        """Those that the user's sockets live by, or are about to."""
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
    return replies.refused(namespace, error.message, error.code)
