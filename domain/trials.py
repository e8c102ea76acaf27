"""Free trials: one a pair, and so many a trainer and ISO week."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo


def iso_week(starts_at: datetime, time_zone: str) -> str:
    """The week of the session in the trainer's zone, e.g. ``2026-W48``."""
    year, week, _ = starts_at.astimezone(ZoneInfo(time_zone)).isocalendar()
    return f"{year}-W{week:02d}"
