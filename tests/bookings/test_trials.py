"""Free trials: one a pair, so many a trainer and week, given back by whoever cancels in time."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta

from tests.bookings.market import Market

MONDAY = datetime(2027, 3, 1, tzinfo=UTC)


def on(day: int, hour: int = 9) -> datetime:
    """So many days after a Monday."""
    return MONDAY + timedelta(days=day, hours=hour)


async def test_one_a_pair_and_so_many_a_week(market: Market) -> None:
    market.clock.now = MONDAY - timedelta(days=2)
    trainer = await market.trainer(trials=2)
    clients = [await market.somebody("client") for _ in range(4)]
    assert (await market.book(clients[0], trainer, on(0), pay_with="trial")).status == 201
    assert (await market.book(clients[0], trainer, on(8), pay_with="trial")).code == "trial_unavailable"
    assert (await market.book(clients[1], trainer, on(6, 23), pay_with="trial")).status == 201
    assert (await market.book(clients[2], trainer, on(3), pay_with="trial")).code == "trial_unavailable"
    assert (await market.book(clients[2], trainer, on(7, 0), pay_with="trial")).status == 201
    # A lower limit later does not touch what was booked.
    await market.pricing(trainer, trials=1)
    assert (await market.book(clients[3], trainer, on(8), pay_with="trial")).code == "trial_unavailable"


async def test_the_week_is_that_of_the_trainer_s_zone(market: Market) -> None:
    market.clock.now = MONDAY - timedelta(days=2)
    trainer = await market.trainer(trials=1, zone="Asia/Kathmandu")
    one, other = await market.somebody("client"), await market.somebody("client")
    # Sunday 18:15 UTC is Monday 00:00 in Kathmandu.
    sunday_night = on(-1, 18) + timedelta(minutes=15)
    assert (await market.book(one, trainer, sunday_night - timedelta(hours=1), pay_with="trial")).status == 201
    assert (await market.book(other, trainer, sunday_night, pay_with="trial")).status == 201


async def test_a_free_cancellation_restores_both_limits(market: Market) -> None:
    market.clock.now = MONDAY - timedelta(days=2)
    trainer = await market.trainer(trials=1, policy="UPTO12HR")
    client = await market.somebody("client")
    booking = await market.booked(client, trainer, on(1), pay_with="trial")
    preview = await market.call("GET", f"/bookings/{booking['id']}/cancellation", None, client)
    assert (preview.body["free"], preview.body["creditReturned"]) == (True, False)
    assert (await market.cancel(booking, client)).status == 200
    again = await market.booked(client, trainer, on(2), pay_with="trial")
    assert (await market.cancel(again, trainer)).status == 200
    last = await market.booked(client, trainer, on(3), pay_with="trial")
    market.clock.now = on(3) - timedelta(hours=1)
    assert (await market.cancel(last, client)).status == 200
    assert (await market.book(client, trainer, on(9), pay_with="trial")).code == "trial_unavailable"
    other = await market.somebody("client")
    assert (await market.book(other, trainer, on(4), pay_with="trial")).code == "trial_unavailable"


async def test_a_trial_counts_in_the_week_it_is_moved_to(market: Market) -> None:
    market.clock.now = MONDAY - timedelta(days=2)
    trainer = await market.trainer(trials=1)
    one, other = await market.somebody("client"), await market.somebody("client")
    booking = await market.booked(one, trainer, on(1), pay_with="trial")
    await market.booked(other, trainer, on(8), pay_with="trial")
    assert (await market.move(booking, one, on(9))).code == "trial_unavailable"
    assert (await market.move(booking, one, on(2))).status == 200
    assert (await market.move(booking, one, on(15))).status == 200
    third = await market.somebody("client")
    assert (await market.book(third, trainer, on(3), pay_with="trial")).status == 201


async def test_the_limits_hold_in_a_race(market: Market) -> None:
    market.clock.now = MONDAY - timedelta(days=2)
    trainer = await market.trainer(trials=3, duration=30)
    clients = [await market.somebody("client") for _ in range(12)]
    tries = [
        market.book(client, trainer, on(day, hour), pay_with="trial", node=number)
        for number, client in enumerate(clients)
        for day, hour in ((number % 5, 8 + number), (6 - number % 3, number))
    ]
    answers = await asyncio.gather(*tries)
    outcomes = Counter(answer.code or "booked" for answer in answers)
    assert outcomes["booked"] == 3
    assert set(outcomes) <= {"booked", "trial_unavailable", "slot_taken", "unavailable"}
    made = [answer.body["client"] for answer in answers if answer.status == 201]
    assert len(set(made)) == len(made)
