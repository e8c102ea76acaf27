"""A node that does not reach Redis leaves word in MongoDB: should it end like this, others say what it could not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime

from handlers.context import Context
from handlers.messages.recovery import announce_silenced
from server.pubsub.bus import Bus
from store.silences import Silence, Silences

# Soon enough for a node that is killed just after.
LOOK_SECONDS = 1.0
# Once Redis is back, a node says again what it said meanwhile; by then it has.
_SAID_AGAIN_SECONDS = 5.0


class SilenceKeeper:
    """``note`` and ``speak_for_others`` are called again and again; ``stop`` at the end."""

    def __init__(self, bus: Bus, silences: Silences, clock: Callable[[], datetime]) -> None:
        self._bus = bus
        self._silences = silences
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._since: datetime | None = None
        self._silent_at = 0.0

    async def note(self) -> None:
        if not self._bus.publishing:
            now = self._clock()
            self._since = self._since or now
            self._silent_at = self._loop.time()
            await self._silences.keep(Silence(self._bus.node, self._since, now))
        elif self._since is not None and self._loop.time() - self._silent_at > _SAID_AGAIN_SECONDS:
            await self._silences.end(self._bus.node)
            self._since = None

    async def stop(self) -> None:
        with suppress(Exception):
            # What was committed last may be later than the last note; without MongoDB nothing was.
            await self.note()

    async def speak_for_others(self, context: Context) -> None:
        if self._bus.publishing:
            await announce_silenced(context)
