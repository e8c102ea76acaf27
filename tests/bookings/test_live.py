"""What both phones and the watchers receive, on the other node, and who receives nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest

from domain.slots import SlotHint
from domain.times import to_wire
from domain.wire.events import BOOKINGS
from handlers.context import Context
from handlers.slots import changes
from handlers.slots.changes import SlotStatus, slot_status
from server.fanout import slot_notifier
from tests.bookings.market import Market, Somebody, together
from tests.bookings.phones import phone, wanted
from tests.harness.devices import Device, Refused


async def test_both_parties_receive_every_change_and_nobody_else(market: Market) -> None:
    trainer = await market.trainer()
    client, stranger = await market.client(trainer, credits=2), await market.client(trainer)
    async with (
        phone(market, client) as his,
        phone(market, trainer, 1) as hers,
        phone(market, stranger, 1) as other,
    ):
        booking = await his.do("booking:create", wanted(trainer, market.at(9)), BOOKINGS)
        assert await hers.receive("booking:created") == [{"booking": booking, "by": "client"}]
        assert await his.receive("booking:created") == [{"booking": booking, "by": "client"}]
        assert await his.receive("credit:changed") == [
            {"trainerId": trainer.profile, "amountOfCredit": 1, "version": 2}
        ]
        (new,) = await hers.receive("message:new")
        assert (new["seq"], new["message"]["kind"], new["message"]["booking"]["action"]) == (1, "booking", "created")
        assert new["message"]["clientMessageId"] is None
        (opened,) = await hers.receive("conversation:new")
        assert opened["conversation"]["id"] == booking["conversationId"]
        moved = await hers.do(
            "booking:reschedule", {"bookingId": booking["id"], "startsAt": to_wire(market.at(11))}, BOOKINGS
        )
        assert (await his.receive("booking:rescheduled")) == [{"booking": moved, "by": "trainer"}]
        gone = await his.do("booking:cancel", {"bookingId": booking["id"], "reason": "ill"}, BOOKINGS)
        assert (await hers.receive("booking:cancelled")) == [{"booking": gone, "by": "client"}]
        assert [one["amountOfCredit"] for one in await his.receive("credit:changed", 2)] == [1, 2]
        assert [m["seq"] for m in await hers.receive("message:new", 3)] == [1, 2, 3]
        assert await his.do("booking:list", {}, BOOKINGS) == {"items": [gone], "nextCursor": None}
        # What the stranger would have received was sent before this.
        await other.do("booking:list", {}, BOOKINGS)
        assert other.received == []
        assert hers.events("credit:changed") == []


async def test_nothing_is_looked_at_for_nobody(market: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    """And whoever begins to watch then is shown what has become of the slots."""
    trainer = await market.trainer()
    client, watcher = await market.client(trainer), await market.somebody("client")
    looked: list[str] = []

    async def look(context: Context, trainer_id: str, hints: Collection[SlotHint]) -> SlotStatus:
        # Another test's may be looked at still.
        if trainer_id == trainer.profile:
            looked.append(trainer_id)
        return await slot_status(context, trainer_id, hints)

    monkeypatch.setattr(slot_notifier, "slot_status", look)
    day = market.at(0).date().isoformat()
    span = {"trainerId": trainer.profile, "from": day, "to": day}
    async with phone(market, watcher, 1) as screen, phone(market, client) as his:
        await his.do("booking:create", wanted(trainer, market.at(9)), BOOKINGS)
        assert looked == []
        free = {slot["startsAt"] for slot in (await screen.do("slots:watch", span, BOOKINGS))["slots"]}
        assert to_wire(market.at(9)) not in free
        assert to_wire(market.at(10)) in free
        await his.do("booking:create", wanted(trainer, market.at(10), "next"), BOOKINGS)
        (changed,) = await screen.receive("slots:changed")
        assert [slot["startsAt"] for slot in changed["removed"]] == [to_wire(market.at(10))]
        assert set(looked) == {trainer.profile}


async def test_watchers_see_each_slot_that_comes_or_goes(market: Market) -> None:
    trainer, elsewhere = await market.trainer(), await market.trainer()
    client, watcher = await market.client(trainer, elsewhere), await market.somebody("client")
    day = market.at(0).date().isoformat()
    async with phone(market, watcher, 1) as screen, phone(market, client) as his:
        span = {"trainerId": trainer.profile, "from": day, "to": day}
        shown = await screen.do("slots:watch", span, BOOKINGS)
        assert shown["timeZone"] == "UTC"
        assert len(shown["slots"]) == 24
        nine, ten = (
            {"startsAt": to_wire(start), "endsAt": to_wire(start + timedelta(hours=1))}
            for start in (market.at(9), market.at(10))
        )
        assert nine in shown["slots"]
        booking = await his.do("booking:create", wanted(trainer, market.at(9)), BOOKINGS)
        await screen.receive("slots:changed")
        await his.do("booking:create", wanted(elsewhere, market.at(12), "e"), BOOKINGS)
        await his.do(
            "booking:reschedule", {"bookingId": booking["id"], "startsAt": to_wire(market.at(10))}, BOOKINGS
        )
        await screen.receive("slots:changed", 2)
        await his.do("booking:cancel", {"bookingId": booking["id"]}, BOOKINGS)
        assert await screen.receive("slots:changed", 3) == [
            {"trainerId": trainer.profile, "added": [], "removed": [nine]},
            {"trainerId": trainer.profile, "added": [nine], "removed": [ten]},
            {"trainerId": trainer.profile, "added": [ten], "removed": []},
        ]
        await market.call("POST", "/me/availability/exceptions", {"date": day}, trainer)
        changed = (await screen.receive("slots:changed", 4))[3]
        assert (changed["added"], len(changed["removed"])) == ([], 24)
        await screen.do("slots:unwatch", {"trainerId": trainer.profile}, BOOKINGS)
        await his.do("booking:create", wanted(trainer, market.at(9, days=2), "n"), BOOKINGS)
        await screen.do("booking:list", {}, BOOKINGS)
        assert len(screen.events("slots:changed")) == 4
        assert {event for event, _ in screen.received} == {"slots:changed"}


async def test_watchers_see_a_trainer_go_and_come_back(market: Market) -> None:
    trainer = await market.trainer()
    watcher, admin = await market.somebody("client"), await market.somebody("admin")
    first, last = market.at(0), market.at(0, days=61)
    span = {"from": first.date().isoformat(), "to": last.date().isoformat()}
    async with phone(market, watcher, 1) as screen:
        await screen.do("slots:watch", {"trainerId": trainer.profile, **span}, BOOKINGS)

        async def hear_of(all_slots: list[str], kind: str) -> None:
            """Every one of them, in as many events as it takes."""

            def told() -> list[str]:
                return sorted(slot["startsAt"] for event in screen.events("slots:changed") for slot in event[kind])

            await screen.until(lambda _: len(told()) >= len(all_slots))
            assert told() == all_slots
            screen.received.clear()

        every = await market.slots(trainer, first, last)
        await market.call("PATCH", "/me", {"isActive": False}, trainer)
        await hear_of(every, "removed")
        await market.call("PATCH", "/me", {"isActive": True}, trainer)
        await hear_of(every, "added")
        await market.call("POST", f"/admin/users/{trainer.id}/block", {"reason": "test"}, admin)
        await hear_of(every, "removed")


async def test_changes_of_an_account_that_cross_leave_watchers_with_the_truth(market: Market) -> None:
    """One change looked at the slots before another took them away, and is committed after it."""
    trainer, watcher = await market.trainer(), await market.somebody("client")
    day = market.at(0).date().isoformat()
    context = market.nodes[0].context
    async with phone(market, watcher, 1) as screen:
        span = {"trainerId": trainer.profile, "from": day, "to": day}
        shown = (await screen.do("slots:watch", span, BOOKINGS))["slots"]
        async with changes.of_account(context, trainer.user):
            await market.call("PATCH", "/me", {"isActive": False}, trainer)
            await screen.until(lambda device: shown[-1] in _told(device, "removed"))
            await market.store.accounts.change(trainer.user, market.clock(), active=True)
        await screen.until(lambda device: shown[-1] in _told(device, "added"))
        assert all(slot in _told(screen, "added") for slot in shown)


def _told(device: Device, kind: str) -> list[dict[str, Any]]:
    return [slot for event in device.events("slots:changed") for slot in event[kind]]


@asynccontextmanager
async def watched_day(market: Market) -> AsyncIterator[tuple[Somebody, Device, dict[str, Any]]]:
    """A trainer, somebody else's device on the other node, and what it says to watch a day of the trainer's."""
    trainer, day = await market.trainer(), market.at(0).date().isoformat()
    async with phone(market, await market.somebody("client"), 1) as screen:
        yield trainer, screen, {"trainerId": trainer.profile, "from": day, "to": day}


async def test_a_watch_that_is_refused_leaves_the_one_before_it(market: Market) -> None:
    async with watched_day(market) as (trainer, screen, span):
        client = await market.client(trainer)
        await screen.do("slots:watch", span, BOOKINGS)
        with pytest.raises(Refused):
            await screen.do("slots:watch", span | {"to": "2020-01-01"}, BOOKINGS)
        await market.booked(client, trainer, market.at(9))
        (changed,) = await screen.receive("slots:changed")
        assert [slot["startsAt"] for slot in changed["removed"]] == [to_wire(market.at(9))]


async def test_a_watch_that_is_refused_leaves_the_one_after_it(market: Market) -> None:
    async with watched_day(market) as (trainer, screen, span):
        client = await market.client(trainer)
        refused, watched = await together(
            screen.ask("slots:watch", span | {"to": "2020-01-01"}, BOOKINGS), screen.ask("slots:watch", span, BOOKINGS)
        )
        assert (refused["ok"], watched["ok"]) == (False, True)
        await market.booked(client, trainer, market.at(9))
        await screen.receive("slots:changed")


async def test_what_cannot_be_watched(market: Market) -> None:
    trainer = await market.trainer()
    client = await market.somebody("client")
    day = market.at(0).date().isoformat()
    async with phone(market, client) as screen:
        for span, code in (
            ({"trainerId": "0" * 24, "from": day, "to": day}, "not_found"),
            ({"trainerId": trainer.profile, "from": day, "to": "2020-01-01"}, "validation_failed"),
            ({"trainerId": trainer.profile, "from": day}, "validation_failed"),
            ({"trainerId": trainer.profile, "from": "yesterday", "to": day}, "validation_failed"),
        ):
            with pytest.raises(Refused) as refused:
                await screen.do("slots:watch", span, BOOKINGS)
            assert refused.value.code == code
        await market.booked(await market.client(trainer), trainer, market.at(9))
        await screen.do("booking:list", {}, BOOKINGS)
        assert screen.received == []


async def test_a_refused_span_ends_no_watch(market: Market) -> None:
    trainer, watcher = await market.trainer(), await market.somebody("client")
    day = market.at(0).date()
    async with phone(market, watcher) as screen:
        span = {"trainerId": trainer.profile, "from": day.isoformat(), "to": day.isoformat()}
        await screen.do("slots:watch", span, BOOKINGS)
        with pytest.raises(Refused) as refused:
            await screen.do("slots:watch", {**span, "to": (day + timedelta(days=99)).isoformat()}, BOOKINGS)
        assert refused.value.code == "validation_failed"
        await market.booked(await market.client(trainer), trainer, market.at(9))
        assert len(await screen.receive("slots:changed")) == 1


async def test_the_same_key_on_both_surfaces_is_one_booking(market: Market) -> None:
    trainer = await market.trainer()
    client = await market.client(trainer)
    first = await market.booked(client, trainer, market.at(9), key="both")
    async with phone(market, client, 1) as his:
        assert await his.do("booking:create", wanted(trainer, market.at(9), "both"), BOOKINGS) == first
        with pytest.raises(Refused) as refused:
            await his.do("booking:create", wanted(trainer, market.at(10), "both"), BOOKINGS)
        assert refused.value.code == "idempotency_conflict"
