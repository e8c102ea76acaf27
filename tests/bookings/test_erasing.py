"""Whoever erases the account leaves no session standing that somebody waits for."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from handlers.bookings import due
from tests.bookings.market import Market


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
    await due.work(market.nodes[1].context)
    found = (await market.call("GET", f"/bookings/{booking['id']}", None, stays)).body
    assert (found["status"], found["cancelledBy"]) == ("cancelled", leaves)
    assert found["parties"][leaves]["name"] == "Erased account"
    assert await market.balance(client, trainer) == int(leaves == "trainer" or not late)
    theirs = (await market.call("GET", f"/bookings/{another['id']}", None, other)).body
    assert theirs["status"] == ("cancelled" if leaves == "trainer" else "confirmed")


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
    await due.work(market.nodes[0].context)
    assert (await market.call("GET", path, None, trainer)).body["status"] == "completed"
