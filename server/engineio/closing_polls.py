"""What closed sessions leave to be fetched by their clients' next polls."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress

from server.deadlines import Deadlines
from server.engineio.polling import PollingTransport
from server.protocol.frames import Frame


class ClosingPolls:
    """Keeps what a closed session had left to send until the client's next polls, for a short while."""

    __slots__ = ("_deadlines", "_fetched", "_transports")

    def __init__(self, seconds: float) -> None:
        self._transports: dict[str, PollingTransport] = {}
        self._fetched: dict[str, asyncio.Event] = {}
        self._deadlines: Deadlines[str] = Deadlines(seconds, lambda sid, due: self._forget(sid))

    def __contains__(self, sid: str) -> bool:
        return sid in self._transports

    def leave(self, sid: str, transport: PollingTransport) -> None:
        """Keep what ``transport`` holds for the next polls of ``sid``; one that is open still takes its part first."""
        self._transports[sid] = transport
        self._deadlines.start(sid)

    def fetch(self, sid: str) -> bytes | None:
        """The next body of what was left for ``sid``; each is given once."""
        transport = self._transports.get(sid)
        if transport is None:
            return None
        body = transport.take()
        if transport.drained:
            self._deadlines.cancel(sid)
            self._forget(sid)
        return body or None

    def take_over(self, sid: str) -> deque[Frame]:
        """All that was left for ``sid``, for another way to the client."""
        transport = self._transports.get(sid)
        self._deadlines.cancel(sid)
        self._forget(sid)
        return transport.retire() if transport is not None else deque()

    async def fetched(self, sid: str, seconds: float) -> None:
        """Waits so long at most until nothing is left for ``sid``."""
        if sid not in self._transports:
            return
        fetched = self._fetched.setdefault(sid, asyncio.Event())
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await fetched.wait()

    async def emptied(self) -> None:
        """Waits until everything was fetched."""
        await self._deadlines.emptied()

    def shutdown(self) -> None:
        """Forget everything."""
        for sid in tuple(self._transports):
            self._forget(sid)
        self._deadlines.stop()

    def _forget(self, sid: str) -> None:
        transport = self._transports.pop(sid, None)
        fetched = self._fetched.pop(sid, None)
        if fetched is not None:
            fetched.set()
        if transport is not None:
            transport.break_off()
