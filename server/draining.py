"""How long each part of a node's end may take, so that the process is gone in time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

import structlog

log = structlog.get_logger("node")

# The whole of it, after which the process ends whatever hangs.
DRAIN_SECONDS = 10.0
BROKEN_OFF_SECONDS = DRAIN_SECONDS - 0.3
# One after the other. Durable work has what commands have, and then releases its rows.
COMMANDS_SECONDS, WORK_SECONDS = 2.5, 3.0
SOCKETS_SECONDS = 2.5
# Beside the sockets; what is then given up is counted, which takes a moment.
MAILS_SECONDS = 2.0
REQUESTS_SECONDS = 1.5
WRITES_SECONDS = 1.0
PRESENCE_SECONDS = 0.8
DATABASE_SECONDS = 0.5


async def within(seconds: float, work: Awaitable[None], what: str) -> None:
    """What takes longer is given up."""
    try:
        await asyncio.wait_for(work, seconds)
    except TimeoutError:
        log.warning("drain ran out of time", what=what)
