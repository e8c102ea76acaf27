"""Plain numbers about all sockets of a server, for metrics."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class Counters:
    """Running totals; bytes are payloads, without transport headers."""

    handshakes: int = 0
    refused: int = 0
    upgrades: int = 0
    failed_upgrades: int = 0
    bad_packets: int = 0
    failed_handlers: int = 0
    aborted_slow: int = 0
    messages_in: int = 0
    bytes_in: int = 0
    messages_out: int = 0
    bytes_out: int = 0
    closes: Counter[str] = field(default_factory=Counter)
