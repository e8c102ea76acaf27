"""Last words to clients whose session was closed before they had fetched all of them."""

from __future__ import annotations

from server.sockets.engine.deadlines import Deadlines
from server.sockets.engine.polling_link import PollingLink


class Farewells:
    """Keeps what a closed session had left to say until the client's next polls, for a short while."""

    __slots__ = ("_deadlines", "_links")

    def __init__(self, seconds: float) -> None:
        self._links: dict[str, PollingLink] = {}
        self._deadlines: Deadlines[str] = Deadlines(seconds, self._expire)

    def leave(self, sid: str, link: PollingLink) -> None:
        """Keep what ``link`` holds for the next polls of ``sid``; one that is open still takes its part first."""
        self._links[sid] = link
        self._deadlines.start(sid)

    def fetch(self, sid: str) -> bytes | None:
        """The next body of what was left for ``sid``; each is told once."""
        link = self._links.get(sid)
        body = link.take() if link is not None else b""
        if body:
            return body
        self._deadlines.cancel(sid)
        self._links.pop(sid, None)
        return None

    def shutdown(self) -> None:
        """Forget everything."""
        self._links.clear()
        self._deadlines.stop()

    def _expire(self, sid: str, due: float) -> None:
        self._links.pop(sid, None)
