"""The time of day as a node under test sees it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


class Clock:
    """Runs as any other, but can be set ahead."""

    def __init__(self) -> None:
        self._ahead = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self._ahead

    def advance(self, **by: float) -> None:
        self._ahead += timedelta(**by)
