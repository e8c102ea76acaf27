"""What one socket may cost."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds beyond which a socket is cut or a request refused; times in seconds."""

    buffered_bytes: int = 1_000_000
    clogged_seconds: float = 15.0
    probe_seconds: float = 10.0
    closing_seconds: float = 5.0
    farewell_seconds: float = 10.0
    packets_a_post: int = 4096
