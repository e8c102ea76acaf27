"""What watchers of slots are told when nodes are late, the database fails, or too much changes at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from typing import Any

import pytest

from domain import rooms
from domain.errors import unavailable
from domain.slots import BookingHint, SlotHint
from domain.times import to_wire
from domain.wire.events import BOOKINGS
from handlers.context import Context
from handlers.slots.changes import SlotStatus, slot_status
from server.fanout import slot_notifier
from server.fanout.gaps import READ_SECONDS
from server.fanout.subscriptions import channel
from server.pubsub.bus import Bus
from store import command_budget
from tests.bookings.market import Market, Somebody
from tests.bookings.phones import phone
from tests.harness.devices import Device


class WatchedSlots:
    """A day of a trainer's on a phone of the second node, that does as it is told."""

    def __init__(self, device: Device, trainer: Somebody, market: Market) -> None:
        self.device = device
        self._trainer = trainer
        self._market = market
        self._free: set[str] = set()

    async def watch(self) -> None:
        day = str(self._market.at(0).date())
        span = {"trainerId": self._trainer.profile, "from": day, "to": day}
        answer = await self.device.do("slots:watch", span, BOOKINGS)
        self.device.received.clear()
        self._free = {slot["startsAt"] for slot in answer["slots"]}

    @property
    def free(self) -> set[str]:
        free, day = set(self._free), str(self._market.at(0).date())
        for event in self.device.events("slots:changed"):
            free -= {slot["startsAt"] for slot in event["removed"]}
            free |= {slot["startsAt"] for slot in event["added"] if slot["startsAt"].startswith(day)}
        return free

    async def shows_the_truth(self) -> None:
        truth = set(await self._market.slots(self._trainer, self._market.at(0)))
        await self.device.until(lambda _: self.free == truth)


@asynccontextmanager
async def watched(market: Market) -> AsyncIterator[tuple[WatchedSlots, Somebody, Somebody]]:
    trainer = await market.trainer()
    client = await market.client(trainer, credits=9)
    async with phone(market, await market.somebody("client"), 1) as device:
        screen = WatchedSlots(device, trainer, market)
        await screen.watch()
        yield screen, trainer, client


class HeldBackChannel:
    """What a node publishes on a channel is held back."""

    def __init__(self, bus: Bus, name: str) -> None:
        self._publish = bus.publish
        self._name = name
        self._held: list[bytes] = []

    def publish(self, name: str, payload: bytes) -> None:
        if name == self._name:
            self._held.append(payload)
        else:
            self._publish(name, payload)

    def release(self) -> int:
        for payload in self._held:
            self._publish(self._name, payload)
        return len(self._held)


@pytest.mark.parametrize("late", ["books", "cancels"])
async def test_older_news_that_arrive_last_change_nothing(
    market: Market, monkeypatch: pytest.MonkeyPatch, late: str
) -> None:
    async with watched(market) as (screen, trainer, client):
        bus = market.nodes[0].bus
        holding = HeldBackChannel(bus, channel(rooms.slots(trainer.profile)))
        monkeypatch.setattr(bus, "publish", holding.publish)
        if late == "books":
            booking = await market.booked(client, trainer, market.at(9), node=0)
            await market.cancel(booking, client, node=1)
        else:
            booking = await market.booked(client, trainer, market.at(9), node=1)
            await market.cancel(booking, client, node=0)
            await market.booked(client, trainer, market.at(9), node=1)
        received = len(await screen.device.receive("slots:changed"))
        assert holding.release() == 1
        await screen.device.receive("slots:changed", received + 1)
        await market.booked(client, trainer, market.at(11), node=1)
        eleven = to_wire(market.at(11))
        await screen.device.until(lambda _: eleven not in screen.free)
        await screen.shows_the_truth()
        assert screen.device.events("sync:required") == []


async def test_a_database_that_fails_for_a_moment_is_asked_again(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    fails = [unavailable(), unavailable()]

    async def look(context: Context, trainer_id: str, hints: Collection[SlotHint]) -> SlotStatus:
        if fails:
            raise fails.pop()
        return await slot_status(context, trainer_id, hints)

    async with watched(market) as (screen, trainer, client):
        monkeypatch.setattr(slot_notifier, "slot_status", look)
        await market.booked(client, trainer, market.at(9))
        await screen.device.receive("slots:changed")
        await screen.shows_the_truth()


async def test_a_look_is_limited_and_takes_no_bookers_time(market: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    """On the booker's own node as on another: it is read for all who watch."""
    budgets = []

    async def look(context: Context, trainer_id: str, hints: Collection[SlotHint]) -> SlotStatus:
        budgets.append(command_budget.current())
        return await slot_status(context, trainer_id, hints)

    async with watched(market) as (screen, trainer, client):
        monkeypatch.setattr(slot_notifier, "slot_status", look)
        for node in (0, 1):
            await market.booked(client, trainer, market.at(9 + node), node=node)
            await screen.device.receive("slots:changed", 1 + node)
    assert len(budgets) >= 2
    for budget in budgets:
        assert budget is not None
        assert (budget.owner, budget.remaining()) == ("", READ_SECONDS)


async def test_no_more_hints_wait_for_a_look_than_it_takes(market: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, may_look = asyncio.Event(), asyncio.Event()

    async def look(context: Context, trainer_id: str, hints: Collection[SlotHint]) -> SlotStatus:
        begun.set()
        await may_look.wait()
        return await slot_status(context, trainer_id, hints)

    async with watched(market) as (screen, trainer, client):
        monkeypatch.setattr(slot_notifier, "slot_status", look)
        booking = await market.booked(client, trainer, market.at(9), node=1)
        await begun.wait()
        notifier = market.nodes[1].slot_notifier
        for _ in range(3 * slot_notifier.MAX_HINTS):
            notifier.take(trainer.profile, BookingHint(()))
        assert len(notifier._hints[trainer.profile]) == slot_notifier.MAX_HINTS + 1
        await market.cancel(booking, client, node=1)
        may_look.set()
        await screen.device.receive("sync:required")
        await screen.watch()
        await screen.shows_the_truth()


@pytest.mark.parametrize("why", ["the database fails", "too much changes", "too much changed meanwhile", "too often"])
async def test_who_cannot_be_told_is_told_to_ask(market: Market, monkeypatch: pytest.MonkeyPatch, why: str) -> None:
    async def look(*_: Any) -> SlotStatus:
        raise unavailable()

    async with watched(market) as (screen, trainer, _):
        with monkeypatch.context() as patched:
            if why == "the database fails":
                patched.setattr(slot_notifier, "slot_status", look)
                patched.setattr(slot_notifier, "TIMEOUT_SECONDS", 0.0)
            elif why == "too much changes":
                patched.setattr(slot_notifier, "MOST_CHANGES", 23)
            else:
                limit = "MAX_SCHEDULES" if why == "too often" else "MAX_HINTS"
                patched.setattr(slot_notifier, limit, 0)
            path = "/me/availability/exceptions"
            made = await market.call("POST", path, {"date": str(market.at(0).date())}, trainer)
            await screen.device.receive("sync:required")
        assert screen.device.events("slots:changed") == []
        await screen.watch()
        await screen.shows_the_truth()
        await market.call("DELETE", f"{path}/{made.body['id']}", None, trainer)
        await screen.device.receive("slots:changed")
