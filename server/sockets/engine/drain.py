"""Sends everybody away before the process ends."""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from server.sockets.engine.server import EngineServer

_TICK: Final = 0.02
_SPREAD: Final = 0.6


async def send_away(engine: EngineServer, deadline_seconds: float) -> None:
    """Close all sockets, spread over the time there is so that they do not all return at once; abort the rest.

    No Socket.IO packet says goodbye: a client that is told to leave stays away, one that loses its transport returns.
    """
    loop = asyncio.get_running_loop()
    started = loop.time()
    sockets = list(engine.sockets.values())
    random.shuffle(sockets)
    total = len(sockets)
    spread = deadline_seconds * _SPREAD
    while sockets:
        share = (loop.time() - started + _TICK) / spread if spread > 0 else 1.0
        for _ in range(min(len(sockets), max(1, int(total * share) - (total - len(sockets))))):
            sockets.pop().send_away()
        if sockets:
            await asyncio.sleep(_TICK)
    with suppress(TimeoutError):
        async with asyncio.timeout_at(started + deadline_seconds):
            await engine.upkeep.closing.emptied()
    for link in engine.upkeep.closing.items():
        link.abort()
