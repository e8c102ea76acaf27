"""Many clients, two processes, overlapping slots: nobody is in two places, nothing is paid twice."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections import Counter
from datetime import datetime, timedelta

import pytest

from domain.bookings import Booking
from store.bookings import BookingFilter
from tests.bookings.market import Answer, Market, Somebody


@pytest.mark.parametrize("count", [40, pytest.param(100, marks=pytest.mark.verify)])
async def test_a_race_for_overlapping_slots(apart: Market, count: int) -> None:
    market = apart
    choice = random.Random(4)
    trainer = await market.trainer(duration=60, break_mins=15)
    second = await market.trainer(duration=45)
    clients = [await market.client(trainer, second, credits=2) for _ in range(count)]
    one_grid = [datetime.fromisoformat(start) for start in (await market.slots(trainer, market.at(0)))[:8]]
    # The schedule changes in the middle: what was an hour is now 35 minutes on another grid.
    await market.schedule(trainer, duration=35, break_mins=10)
    other_grid = [datetime.fromisoformat(start) for start in (await market.slots(trainer, market.at(0)))[:12]]
    second_grid = [datetime.fromisoformat(start) for start in (await market.slots(second, market.at(0)))[:12]]
    await market.schedule(trainer, duration=60, break_mins=15)

    async def try_one(number: int, client: Somebody) -> list[Answer]:
        key = f"race-{number}"
        if number == count // 2:
            await market.schedule(trainer, duration=35, break_mins=10)
        wanted = choice.choice(one_grid if number < count // 2 else other_grid)
        elsewhere = choice.choice(second_grid)
        return list(
            await asyncio.gather(
                market.book(client, trainer, wanted, key=key, node=number),
                market.book(client, trainer, wanted, key=key, node=number + 1),
                market.book(client, second, elsewhere, node=number),
            )
        )

    answers = await asyncio.gather(*(try_one(number, client) for number, client in enumerate(clients)))
    for first, repeated, _ in answers:
        if first.status == repeated.status == 201:
            assert first.body == repeated.body
    outcomes = Counter(answer.code or "booked" for one in answers for answer in one)
    assert set(outcomes) <= {"booked", "slot_taken", "own_conflict", "slot_unavailable", "unavailable"}, outcomes
    assert outcomes["booked"] > 10
    await check_exclusive(market, [trainer, second], clients)


async def test_one_slot_goes_to_one_client(market: Market) -> None:
    trainer = await market.trainer()
    clients = [await market.client(trainer, credits=1) for _ in range(40)]
    answers = await asyncio.gather(
        *(market.book(client, trainer, market.at(9), node=number) for number, client in enumerate(clients))
    )
    outcomes = Counter(answer.code or "booked" for answer in answers)
    assert outcomes["booked"] == 1
    assert outcomes["slot_taken"] == len(clients) - 1, outcomes


async def test_the_last_credit_is_spent_once(market: Market) -> None:
    trainer = await market.trainer()
    client = await market.client(trainer, credits=1)
    answers = await asyncio.gather(
        *(market.book(client, trainer, market.at(hour), node=hour) for hour in range(8, 20))
    )
    outcomes = Counter(answer.code or "booked" for answer in answers)
    assert outcomes["booked"] == 1
    assert set(outcomes) <= {"booked", "insufficient_credit", "unavailable"}, outcomes
    assert await market.balance(client, trainer) == 0


async def test_cancelling_and_moving_at_once_settle_once(market: Market) -> None:
    trainer = await market.trainer()
    client = await market.client(trainer, credits=1)
    booking = await market.booked(client, trainer, market.at(9))
    answers = await asyncio.gather(
        *(market.cancel(booking, who, node=node) for node, who in enumerate((client, trainer, client, trainer))),
        *(market.move(booking, client, market.at(hour), node=hour) for hour in (11, 12)),
    )
    cancelled = [answer for answer in answers[:4] if answer.status == 200]
    assert len(cancelled) == 1
    assert await market.balance(client, trainer) == 1
    log = await market.log(client, trainer)
    assert [entry["action"] for entry in log].count("cancelled") == 1
    assert log[-1]["status"] == "cancelled"
    assert {a.code for a in answers if a.status != 200} <= {"conflict"}


async def check_exclusive(market: Market, trainers: list[Somebody], clients: list[Somebody]) -> None:
    """No two active bookings overlap, breaks kept, on either side; every balance is its ledger's sum."""
    bookings: list[Booking] = []
    for trainer in trainers:
        found = await market.store.bookings.page(BookingFilter(trainer_id=trainer.profile), None, 1000)
        active = [booking for booking in found if booking.status == "confirmed"]
        for before, after in itertools.pairwise(active):
            assert before.ends_at + timedelta(minutes=before.break_mins) <= after.starts_at
        bookings += active
    by_client: dict[str, list[Booking]] = {}
    for booking in sorted(bookings, key=lambda one: one.starts_at):
        by_client.setdefault(booking.client_id, []).append(booking)
    for own in by_client.values():
        for before, after in itertools.pairwise(own):
            assert before.ends_at <= after.starts_at
    for client in clients:
        for trainer in trainers:
            spent = sum(b.trainer_id == trainer.profile for b in by_client.get(client.profile, ()))
            assert await market.balance(client, trainer) == 2 - spent
