"""The time of day as nodes under test see it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from domain.times import whole_milliseconds


class RunningClock:
    """Runs as any other, but can be set ahead, or behind."""

    def __init__(self, ahead: timedelta = timedelta()) -> None:
        self._ahead = ahead

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self._ahead

    def advance(self, **by: float) -> None:
        self._ahead += timedelta(**by)

    def reset(self) -> None:
        self._ahead = timedelta()


class StandingClock:
    """Moved at will; it stands still, so that a test may name the exact second."""

    def __init__(self, now: datetime | None = None) -> None:
        self.now = whole_milliseconds(now or datetime.now(UTC))

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **by: float) -> None:
        self.now += timedelta(**by)
