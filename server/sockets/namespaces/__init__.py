"""The namespaces, each a list of rows. A new event is a row here, a command, a handler, and its test."""

from __future__ import annotations

from domain.events import BOOKINGS, CONVERSATIONS, PRESENCE
from server.sockets.namespaces import bookings, conversations, presence
from server.sockets.rows import Row

NAMESPACES: dict[str, tuple[Row, ...]] = {
    CONVERSATIONS: conversations.ROWS,
    PRESENCE: presence.ROWS,
    BOOKINGS: bookings.ROWS,
}
