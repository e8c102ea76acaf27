"""``/presence``."""

from __future__ import annotations

from domain.commands import presence as commands
from handlers import presence
from server.sockets.rows import Rate, Row

# A look-up of up to 200 people each; an app asks when it shows a list.
_WATCHING = Rate(5, 40)
_SETTING = Rate(1, 20)

ROWS: tuple[Row, ...] = (
    Row("presence:watch", commands.WatchPresence, presence.watch, _WATCHING),
    Row("presence:unwatch", commands.UnwatchPresence, presence.unwatch, _WATCHING),
    Row("presence:set", commands.SetPresence, presence.set_status, _SETTING),
)
