"""A list of free slots that is kept by events alone: whatever changes, it is what a fresh read answers."""

from __future__ import annotations

import random
from datetime import date, datetime, timedelta
from typing import Any

import pytest

from domain.times import to_wire
from domain.wire.events import BOOKINGS
from tests.bookings.market import DAYS, Answer, Data, Market, Somebody
from tests.bookings.phones import phone
from tests.harness.devices import Device

ZONES = ("UTC", "America/New_York", "Atlantic/Azores", "Asia/Kathmandu")


class KeptList:
    """Some days of a trainer's on a phone: what it was answered, and the events since."""

    def __init__(self, market: Market, device: Device, trainer: Somebody, first: date, last: date) -> None:
        self.market, self.device, self.trainer = market, device, trainer
        self.span = {"from": first.isoformat(), "to": last.isoformat()}
        self.slots: dict[str, Data] = {}
        self._read = 0

    async def watch(self) -> None:
        answer = await self.device.do("slots:watch", {"trainerId": self.trainer.profile, **self.span}, BOOKINGS)
        self._read = len(self.device.received)
        self.slots = {slot["startsAt"]: slot for slot in answer["slots"]}

    def update(self) -> list[Data]:
        for name, event in self.device.received[self._read :]:
            assert name == "slots:changed", name
            for slot in event["removed"]:
                if self.slots.get(slot["startsAt"]) == slot:
                    del self.slots[slot["startsAt"]]
            self.slots |= {slot["startsAt"]: slot for slot in event["added"]}
        self._read = len(self.device.received)
        return sorted(self.slots.values(), key=lambda slot: str(slot["startsAt"]))

    async def fresh(self) -> list[Data]:
        answer = await self.market.call("GET", f"/trainers/{self.trainer.profile}/slots", query=self.span)
        return list(answer.body["slots"]) if answer.status == 200 else []

    async def is_the_truth(self) -> None:
        truth = await self.fresh()
        await self.device.until(lambda _: self.update() == truth)


class Changes:
    """What may change a trainer's slots, on either node."""

    def __init__(self, market: Market, trainer: Somebody, client: Somebody, seed: int) -> None:
        self.market, self.trainer, self.client = market, trainer, client
        self.chance = random.Random(seed)
        self.bookings: list[Data] = []
        self.exceptions: list[str] = []
        self.paused = False

    async def one(self) -> str:
        if self.paused:
            return await self.pause()
        what = self.chance.choice(
            [self.book, self.book, self.book, self.cancel, self.move, self.take_off, self.work_after_all,
             self.reschedule, self.pause]
        )  # fmt: skip
        return await what()

    def node(self) -> int:
        return self.chance.randrange(2)

    def day(self) -> datetime:
        return self.market.at(0, days=self.chance.randrange(1, 6))

    async def start(self) -> datetime | None:
        found = await self.market.slots(self.trainer, self.day())
        return datetime.fromisoformat(self.chance.choice(found)) if found else None

    async def book(self) -> str:
        if (start := await self.start()) is not None:
            answer = await self.market.book(self.client, self.trainer, start, node=self.node())
            if answer.status == 201:
                self.bookings.append(answer.body)
        return "book"

    async def cancel(self) -> str:
        if self.bookings:
            await self.market.cancel(self.bookings.pop(), self.trainer, node=self.node())
        return "cancel"

    async def move(self) -> str:
        if self.bookings and (start := await self.start()) is not None:
            await self.market.move(self.chance.choice(self.bookings), self.trainer, start, node=self.node())
        return "move"

    async def _take_off(self) -> Answer:
        body: Data = {"date": self.day().date().isoformat()}
        if self.chance.random() < 0.7:
            hour = self.chance.randrange(23)
            body |= {"startTime": f"{hour:02d}:00", "endTime": f"{hour + 1:02d}:30"}
        return await self.market.call("POST", "/me/availability/exceptions", body, self.trainer, node=self.node())

    async def take_off(self) -> str:
        answer = await self._take_off()
        while answer.status == 409:  # there is one like it
            answer = await self._take_off()
        self.exceptions.append(answer.body["id"])
        return "take off"

    async def work_after_all(self) -> str:
        if self.exceptions:
            path = f"/me/availability/exceptions/{self.exceptions.pop()}"
            await self.market.call("DELETE", path, None, self.trainer, node=self.node())
        return "work after all"

    async def reschedule(self) -> str:
        opens = self.chance.choice(["00:00", "08:00", "13:30"])
        closes = self.chance.choice(["18:00", "24:00"])
        body: dict[str, Any] = {
            "timeZone": self.chance.choice(ZONES),
            "sessionDurationInMins": self.chance.choice([45, 60]),
            "breakBetweenSessionMins": self.chance.choice([0, 0, 15]),
            "minimumNoticeInMins": self.chance.choice([0, 0, 24 * 60, 3 * 24 * 60]),
            "days": [{"day": day, "startTime": opens, "endTime": closes} for day in DAYS],
        }
        answer = await self.market.call("PUT", "/me/availability", body, self.trainer, node=self.node())
        assert answer.status == 200, answer.body
        return "reschedule"

    async def pause(self) -> str:
        await self.market.call("PATCH", "/me", {"isActive": self.paused}, self.trainer, node=self.node())
        self.paused = not self.paused
        return "pause"


async def kept_through(market: Market, changes: int, seed: int) -> None:
    trainer = await market.trainer()
    client = await market.client(trainer, credits=changes)
    what = Changes(market, trainer, client, seed)
    day = market.at(0, days=2).date()
    watcher = await market.somebody("client")
    async with phone(market, watcher, 1) as one, phone(market, watcher, 0) as other:
        lists = [
            KeptList(market, one, trainer, day, day),
            KeptList(market, other, trainer, day + timedelta(days=1), day + timedelta(days=2)),
        ]
        for kept in lists:
            await kept.watch()
        done: list[str] = []
        for _ in range(changes):
            done.append(await what.one())
            for kept in lists:
                try:
                    await kept.is_the_truth()
                except TimeoutError:
                    truth = await kept.fresh()
                    raise AssertionError((done[-3:], kept.span, [s for s in kept.update() if s not in truth])) from None


async def test_a_list_kept_by_events_is_the_truth(market: Market) -> None:
    await kept_through(market, 25, seed=4)


@pytest.mark.verify
async def test_a_list_kept_by_events_is_the_truth_through_100_changes(market: Market) -> None:
    await kept_through(market, 100, seed=8)


@pytest.mark.soak
async def test_a_list_kept_by_events_is_the_truth_through_500_changes(market: Market) -> None:
    await kept_through(market, 500, seed=random.randrange(10**6))


async def test_nothing_is_told_of_other_days(market: Market) -> None:
    trainer = await market.trainer(zone="America/New_York")
    client, watcher = await market.client(trainer), await market.somebody("client")
    day = market.at(0, days=3).date()
    async with phone(market, watcher, 1) as screen:
        kept = KeptList(market, screen, trainer, day, day)
        await kept.watch()
        # 03:00 in UTC is the evening before in New York.
        for start in (market.at(3, days=3), market.at(12, days=2), market.at(6, days=4)):
            await market.booked(client, trainer, start)
        await market.call("POST", "/me/availability/exceptions", {"date": str(market.at(0, days=6).date())}, trainer)
        await market.booked(client, trainer, market.at(12, days=3))
        assert await screen.receive("slots:changed") == [
            {
                "trainerId": trainer.profile,
                "added": [],
                "removed": [{"startsAt": to_wire(market.at(12, days=3)), "endsAt": to_wire(market.at(13, days=3))}],
            }
        ]
        await kept.is_the_truth()


async def test_another_span_takes_the_place_of_the_first(market: Market) -> None:
    trainer = await market.trainer()
    client, watcher = await market.client(trainer), await market.somebody("client")
    first, second = market.at(0, days=2).date(), market.at(0, days=4).date()
    async with phone(market, watcher, 1) as screen:
        await KeptList(market, screen, trainer, first, first).watch()
        kept = KeptList(market, screen, trainer, second, second)
        await kept.watch()
        await market.booked(client, trainer, market.at(9, days=2))
        await market.booked(client, trainer, market.at(9, days=4))
        (changed,) = await screen.receive("slots:changed")
        assert [slot["startsAt"] for slot in changed["removed"]] == [to_wire(market.at(9, days=4))]
