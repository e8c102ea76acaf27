"""How long each part of a node's end may take, so that the process is gone in time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

import structlog

log = structlog.get_logger("node")

# The whole of it; requests have their time with the listener.
DRAIN_SECONDS = 10.0
COMMANDS_SECONDS = 2.5
SOCKETS_SECONDS = 3.0
# Beside the sockets; what is then given up is counted, which takes a moment.
MAILS_SECONDS = 2.5
WRITES_SECONDS = 1.2
PRESENCE_SECONDS = 0.8
OUTAGE_SECONDS = 0.5


async def within(seconds: float, work: Awaitable[None], what: str) -> None:
    """What takes longer is given up."""
    try:
        await asyncio.wait_for(work, seconds)
    except TimeoutError:
        log.warning("drain ran out of time", what=what)
