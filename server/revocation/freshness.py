"""How recent a node's knowledge of revocations is, and what it may therefore still do for its sockets."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from time import monotonic

import structlog

from domain.errors import unavailable
from server.callbacks import notify_all

log = structlog.get_logger("revocation")

# Within this a revoked session's sockets are cut on every node, whatever else is down.
BOUND_SECONDS = 2.0
# A command that meets a short stall waits; it is answered `unavailable` after this long.
TIMEOUT_SECONDS = 1.0


class Freshness:
    """``current``: every revocation older than the bound has been acted on; so it is before ``expires_at``.

    It is asked at each use and not by a timer: after a stall of the process, what lies unread in its sockets would
    otherwise be served before the timer is run. Always current until ``start``.
    """

    __slots__ = ("_confirmed", "_logged", "_missed", "_restored", "expires_at")

    def __init__(self) -> None:
        # By the monotonic clock. Read as it is where each message passes: a property costs more than the comparison.
        self.expires_at = math.inf
        self._missed = False
        self._logged = False
        self._confirmed = asyncio.Event()
        self._restored: list[Callable[[], None]] = []

    def start(self) -> None:
        self.expires_at = monotonic() + BOUND_SECONDS

    @property
    def current(self) -> bool:
        return monotonic() < self.expires_at

    def on_restored(self, callback: Callable[[], None]) -> None:
        """Call it when it is current again and something was kept from sockets meanwhile."""
        self._restored.append(callback)

    def missed(self) -> None:
        """Something was kept from sockets because it is not current."""
        self._missed = True
        if not self._logged:
            self._logged = True
            log.warning("sockets are not served: revocations are not known")

    def confirm(self, at: float) -> None:
        """All revocations up to that instant, by the monotonic clock, have been acted on."""
        self.expires_at = max(self.expires_at, at + BOUND_SECONDS)
        if not self.current:
            return
        self._wake()
        if self._missed:
            self._missed = self._logged = False
            log.info("sockets are served again")
            notify_all(self._restored)

    async def wait(self) -> None:
        """Return when it is current; those who wait go on in the order in which they came. Raises ``unavailable``."""
        if self.current:
            return
        self.missed()
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                while not self.current:
                    await self._confirmed.wait()
        except TimeoutError:
            raise unavailable() from None

    def _wake(self) -> None:
        self._confirmed.set()
        self._confirmed.clear()
