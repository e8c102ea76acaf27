"""Bookings whose time comes, and what durable work makes of them."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

from domain.booking_changes import NO_SETTLEMENT, BookingChange
from domain.bookings import Booking
from handlers.bookings import due
from tests.bookings.market import Data, Market, Somebody
from tests.harness.work import work_off


async def hold(market: Market, client: Somebody, trainer: Somebody, start: datetime) -> Booking:
    """As a card will: the time is taken until it is paid, for ten minutes."""
    now = market.clock()
    booking = Booking(
        id=market.store.bookings.new_id(),
        trainer_id=trainer.profile,
        client_id=client.profile,
        trainer_user_id=trainer.id,
        client_user_id=client.id,
        conversation_id="",
        starts_at=start,
        ends_at=start + timedelta(hours=1),
        time_zone="UTC",
        break_mins=0,
        cancellation_policy="ALWAYS_FREE",
        status="held",
        paid_with="card",
        held_until=now + timedelta(minutes=10),
        arranged_at=now,
        created_at=now,
        updated_at=now,
    )
    change = BookingChange(booking=booking, action="created", by="client", sender_id=client.id)
    return (await market.store.booking_transactions.book(change, NO_SETTLEMENT, now, None)).booking


async def until_status(market: Market, booking: Data, who: Somebody, status: str) -> Data:
    """Once the booking is that; a node's own loop may have claimed it before us and still be at it."""
    async with asyncio.timeout(10):
        while True:
            await work_off(due.due_bookings_job(market.nodes[1].context), market.clock)
            found: Data = (await market.call("GET", f"/bookings/{booking['id']}", None, who)).body
            if found["status"] == status:
                return found
