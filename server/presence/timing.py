"""The figures that decide how soon somebody is seen leaving."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timing:
    # Flapping: a device that leaves counts for a while longer.
    grace_seconds: float = 3.0
    # After an interruption everybody has registered again by then, and what is missing is gone.
    settle_seconds: float = 3.0
    retry_seconds: float = 0.5
    notice_seconds: float = 0.5
    # How long who hides is asked for before anybody is registered again, within the time to settle.
    choices_seconds: float = 1.0


STANDARD = Timing()
