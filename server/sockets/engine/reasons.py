"""Why a socket ended; the names are those of python-engineio."""

from __future__ import annotations

from typing import Final

SERVER_DISCONNECT: Final = "server disconnect"
CLIENT_DISCONNECT: Final = "client disconnect"
PING_TIMEOUT: Final = "ping timeout"
TRANSPORT_CLOSE: Final = "transport close"
TRANSPORT_ERROR: Final = "transport error"
