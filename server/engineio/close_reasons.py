"""Why sockets end, as ``spotter_closes_total`` counts it."""

from __future__ import annotations

from typing import Final

# What the transport meets, and the end of the server: the names are python-engineio's.
SERVER_DISCONNECT: Final = "server disconnect"
CLIENT_DISCONNECT: Final = "client disconnect"
PING_TIMEOUT: Final = "ping timeout"
TRANSPORT_CLOSE: Final = "transport close"
TRANSPORT_ERROR: Final = "transport error"
# Decisions of the application. What one of them is told of it, if anything, is a ``ConnectionFault``.
BAD_PACKET: Final = "bad packet"
FLOOD: Final = "flood"
NEVER_CONNECTED: Final = "never connected"
SESSION_ENDED: Final = "session ended"
TOKEN_EXPIRED: Final = "token expired"  # noqa: S105 - a reason, no token
