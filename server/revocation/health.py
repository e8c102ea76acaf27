"""Says in the log that something broke and that it works again, once each."""

from __future__ import annotations

import structlog

log = structlog.get_logger("revocation")


class Health:
    __slots__ = ("_broken", "_what")

    def __init__(self, what: str) -> None:
        self._what = what
        self._broken = False

    def failed(self, error: Exception) -> None:
        if not self._broken:
            log.warning("revocations are not heard", by=self._what, error=type(error).__name__)
        self._broken = True

    def well(self) -> None:
        if self._broken:
            log.info("revocations are heard again", by=self._what)
        self._broken = False
