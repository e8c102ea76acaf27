"""What callers are allowed."""

from __future__ import annotations

import asyncio

from domain.wire.limits import Limits
from handlers.access import Visitor
from handlers.context import Context
from rest.route import Route


async def get_limits(context: Context, visitor: Visitor, command: None) -> Limits:
    return await asyncio.to_thread(context.limits)


ROWS = (Route("GET", "/limits", get_limits, "Every rate, size and count", answer=Limits, public=True),)
