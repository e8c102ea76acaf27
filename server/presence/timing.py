"""The figures that decide how soon somebody is seen leaving."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timing:
    """Who is killed is seen leaving after ``lease_ms + margin_ms`` and one interval: 10 s of the 15 allowed."""

    lease_ms: int = 7_000
    # What the clocks of a cluster's nodes may differ by: writing stops this long before anybody may take over.
    margin_ms: int = 1_000
    renew_seconds: float = 2.0
    # Without any renewal for this long Redis was away, or empty: nobody takes over for one lease.
    quiet_after_ms: int = 4_000
    # Flapping: a device that leaves counts for a while longer.
    grace_seconds: float = 3.0
    # After an interruption everybody has registered again by then, and what is missing is gone.
    settle_seconds: float = 3.0
    retry_seconds: float = 0.5
    notice_seconds: float = 0.5


STANDARD = Timing()
