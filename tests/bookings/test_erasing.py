"""Whoever erases the account leaves no session standing that somebody waits for."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest

from domain.accounts import User
from domain.commands.bookings import CreateBooking
from domain.instants import to_wire
from handlers.actor import Actor
from handlers.bookings import due
from handlers.bookings.creating import create_booking
from store.store import Store
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


@pytest.mark.parametrize("leaves", ["client", "trainer"])
async def test_what_was_booked_meanwhile_is_cancelled_as_well(market: Market, leaves: str) -> None:
    """The booking is decided on before the erasure is committed, and committed after it."""
    trainer = await market.trainer()
    client = await market.client(trainer, credits=1)
    gone, stays = (client, trainer) if leaves == "client" else (trainer, client)
    context = market.nodes[0].context
    reservations = _ErasesFirst(context.store, gone.user, market)
    actor = Actor(user_id=client.id, role="client", profile_id=client.profile, session_id=client.person.session_id)
    command = CreateBooking(
        trainer_id=trainer.profile, starts_at=to_wire(market.at(9)), pay_with="credit", note="Bring a mat."
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(context.store.reservations, "book", reservations.book)
        booking = await create_booking(context, actor, command)
    found = await until(market, {"id": booking.id}, stays, "cancelled")
    assert found["cancelledBy"] == leaves
    assert found["note"] == ("Bring a mat." if leaves == "trainer" else None)
    assert await market.balance(client, trainer) == 1


class _ErasesFirst:
    """The real commit, a moment later."""

    def __init__(self, store: Store, user: User, market: Market) -> None:
        self._store, self._user, self._market = store, user, market
        self._book = store.reservations.book

    async def book(self, *arguments: Any) -> Any:
        assert await self._store.accounts.erase(self._user, self._market.clock()) is not None
        return await self._book(*arguments)


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
