"""Last words to clients that were not polling when their session was closed."""

from __future__ import annotations

from server.sockets.engine.deadlines import Deadlines


class Farewells:
    """Keeps what a closed session had left to say until the client's next poll, for a short while."""

    __slots__ = ("_bodies", "_deadlines")

    def __init__(self, seconds: float) -> None:
        self._bodies: dict[str, bytes] = {}
        self._deadlines: Deadlines[str] = Deadlines(seconds, self._expire)

    def leave(self, sid: str, body: bytes) -> None:
        """Keep ``body`` for the next poll of ``sid``."""
        self._bodies[sid] = body
        self._deadlines.start(sid)

    def fetch(self, sid: str) -> bytes | None:
        """What was left for ``sid``; it is told once."""
        self._deadlines.cancel(sid)
        return self._bodies.pop(sid, None)

    def shutdown(self) -> None:
        """Forget everything."""
        self._bodies.clear()
        self._deadlines.stop()

    def _expire(self, sid: str, due: float) -> None:
        self._bodies.pop(sid, None)
