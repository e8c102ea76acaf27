"""Bookings whose time comes, and what durable work makes of them."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

from domain.bookings import Booking
from handlers.bookings import due
from tests.bookings.market import Data, Market, Somebody
from tests.harness.work import work_off


async def hold(market: Market, client: Somebody, trainer: Somebody, start: datetime) -> Booking:
    """As a card will: the time is taken until it is paid, for ten minutes."""
    return await market.commit(client, trainer, start, "held", market.clock() + timedelta(minutes=10))


async def until_status(market: Market, booking: Data, who: Somebody, status: str) -> Data:
    """Once the booking is that; a node's own loop may have claimed it before us and still be at it."""
    async with asyncio.timeout(10):
        while True:
            await work_off(due.due_bookings_job(market.nodes[1].context), market.clock)
            found: Data = (await market.call("GET", f"/bookings/{booking['id']}", None, who)).body
            if found["status"] == status:
                return found
