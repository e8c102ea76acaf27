"""``/presence``: connecting is all there is so far."""

from __future__ import annotations

from server.sockets.rows import Row

ROWS: tuple[Row, ...] = ()
