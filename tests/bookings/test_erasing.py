"""Whoever erases the account leaves no session standing that somebody waits for."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

import pytest

from handlers.bookings import due
from tests.bookings.market import Data, Market, Somebody


async def until(market: Market, booking: Data, who: Somebody, status: str) -> Data:
    """Once the booking is that; a node's own loop may have claimed it before us and still be at it."""
    async with asyncio.timeout(10):
        while True:
            await due.work(market.nodes[1].context)
            found: Data = (await market.call("GET", f"/bookings/{booking['id']}", None, who)).body
            if found["status"] == status:
                return found


@pytest.mark.parametrize("leaves", ["client", "trainer"])
@pytest.mark.parametrize("late", [False, True])
async def test_what_lies_ahead_is_cancelled_in_the_name_of_who_left(market: Market, leaves: str, late: bool) -> None:
    trainer = await market.trainer(policy="UPTO12HR")
    client = await market.client(trainer, credits=1)
    other = await market.client(trainer, credits=1)
    booking = await market.booked(client, trainer, market.at(9))
    another = await market.booked(other, trainer, market.at(11))
    if late:
        market.clock.now = datetime.fromisoformat(booking["startsAt"]) - timedelta(hours=1)
    gone, stays = (client, trainer) if leaves == "client" else (trainer, client)
    assert await market.store.accounts.erase(gone.user, market.clock()) is not None
    found = await until(market, booking, stays, "cancelled")
    assert found["cancelledBy"] == leaves
    assert found["parties"][leaves]["name"] == "Erased account"
    assert await market.balance(client, trainer) == int(leaves == "trainer" or not late)
    await until(market, another, other, "cancelled" if leaves == "trainer" else "confirmed")


async def test_what_has_begun_takes_its_course(market: Market) -> None:
    trainer = await market.trainer()
    client = await market.client(trainer, credits=1)
    booking = await market.booked(client, trainer, market.at(9))
    market.clock.now = datetime.fromisoformat(booking["startsAt"]) + timedelta(minutes=5)
    assert await market.store.accounts.erase(client.user, market.clock()) is not None
    await due.work(market.nodes[0].context)
    path = f"/bookings/{booking['id']}"
    assert (await market.call("GET", path, None, trainer)).body["status"] == "confirmed"
    market.clock.advance(hours=2)
    await until(market, booking, trainer, "completed")
