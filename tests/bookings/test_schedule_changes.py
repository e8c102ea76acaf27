"""A trainer's schedule changes while phones show its slots."""

from __future__ import annotations

from functools import partial
from typing import Any

from domain.times import to_wire
from domain.wire.events import BOOKINGS
from tests.bookings.market import DAYS, Market, Somebody, together
from tests.bookings.phones import phone
from tests.harness.devices import Device

Slots = set[tuple[str, str]]


def late_in_the_evening(market: Market) -> None:
    """Nothing of today is left."""
    market.clock.now = market.at(19, 30, days=0)


def within(market: Market, slots: list[dict[str, str]]) -> Slots:
    """Those of the coming 60 days: the last bookable date is another one in another zone."""
    end = to_wire(market.at(0, days=61))
    return {(slot["startsAt"], slot["endsAt"]) for slot in slots if slot["startsAt"] < end}


def span(market: Market) -> dict[str, str]:
    return {"from": str(market.at(0).date()), "to": str(market.at(0, days=62).date())}


async def shown_at_first(screen: Device, trainer: Somebody, market: Market) -> Slots:
    answer = await screen.do("slots:watch", {"trainerId": trainer.profile, **span(market)}, BOOKINGS)
    return within(market, answer["slots"])


def shown_after(first: Slots, changes: list[Any], market: Market) -> Slots:
    """What a phone shows that does as it is told."""
    shown = set(first)
    for change in changes:
        shown = (shown - within(market, change["removed"])) | within(market, change["added"])
    return shown


def shows(expected: Slots, first: Slots, market: Market, screen: Device) -> bool:
    return shown_after(first, screen.events("slots:changed"), market) == expected


async def offered(market: Market, trainer: Somebody) -> Slots:
    answer = await market.call("GET", f"/trainers/{trainer.profile}/slots", query=span(market))
    return within(market, answer.body["slots"])


async def test_every_change_is_told_as_a_difference(market: Market) -> None:
    late_in_the_evening(market)
    trainer = await market.trainer(hours=("09:00", "12:00"))
    client = await market.client(trainer)
    await market.booked(client, trainer, market.at(9, days=2))
    async with phone(market, client, 1) as screen:
        shown = await shown_at_first(screen, trainer, market)
        assert len(shown) == 60 * 3 - 1
        await market.schedule(trainer, hours=("09:00", "13:00"))
        (change,) = await screen.receive("slots:changed")
        assert (len(change["added"]), change["removed"]) == (62, [])
        assert all("T12:00" in slot["startsAt"] for slot in change["added"])
        # A break alone moves what follows; nine o'clock stays. What is hinted before a look begins is one difference.
        await market.schedule(trainer, hours=("09:00", "13:00"), break_mins=5)
        await screen.receive("slots:changed", 2)
        await market.schedule(trainer, hours=("09:00", "13:00"), zone="Asia/Kathmandu")
        await screen.receive("slots:changed", 3)
        off = {"date": str(market.at(0, days=5).date()), "startTime": "10:00", "endTime": "11:00"}
        made = await market.call("POST", "/me/availability/exceptions", off, trainer)
        assert len((await screen.receive("slots:changed", 4))[3]["removed"]) == 1
        await market.call("DELETE", f"/me/availability/exceptions/{made.body['id']}", None, trainer)
        changes = await screen.receive("slots:changed", 5)
        assert shown_after(shown, changes, market) == await offered(market, trainer)
        # The same once more is no change.
        await market.schedule(trainer, hours=("09:00", "13:00"), zone="Asia/Kathmandu")
        await screen.do("booking:list", {}, BOOKINGS)
        assert len(screen.events("slots:changed")) == 5


async def test_whatever_meets_the_screen_ends_with_the_offer(market: Market) -> None:
    """Weeks, days off and bookings at once on two nodes."""
    late_in_the_evening(market)
    trainer = await market.trainer(hours=("08:00", "16:00"))
    clients = [await market.client(trainer) for _ in range(4)]
    async with phone(market, clients[0]) as here, phone(market, clients[1], 1) as there:
        first = await shown_at_first(here, trainer, market)
        assert await shown_at_first(there, trainer, market) == first
        for turn in range(3):
            await together(
                *(replace(market, trainer, start, node=start % 2) for start in range(7, 11)),
                *(day_off(market, trainer, 3 + turn, node) for node in range(2)),
                *(
                    market.book(client, trainer, market.at(10 + number, days=5 + turn), node=number % 2)
                    for number, client in enumerate(clients)
                ),
            )
            # An end that only one thing brings about: what is told of it comes after all the rest.
            await replace(market, trainer, 12 + turn, node=turn % 2)
            expected = await offered(market, trainer)
            for screen in (here, there):
                await screen.until(partial(shows, expected, first, market))


async def replace(market: Market, trainer: Somebody, start: int, *, node: int) -> None:
    days = [{"day": day, "startTime": f"{start:02d}:00", "endTime": f"{start + 6:02d}:00"} for day in DAYS]
    body = {"timeZone": "UTC", "sessionDurationInMins": 60, "breakBetweenSessionMins": 0, "days": days}
    answer = await market.call("PUT", "/me/availability", body, trainer, node=node)
    assert answer.status == 200, answer.body


async def day_off(market: Market, trainer: Somebody, days: int, node: int) -> None:
    """Of all hours, said differently on each node: equal ones would be a conflict."""
    hours = {"startTime": "00:00", "endTime": "24:00"} if node else {}
    body = {"date": str(market.at(0, days=days).date()), **hours}
    answer = await market.call("POST", "/me/availability/exceptions", body, trainer, node=node)
    assert answer.status == 201, answer.body
