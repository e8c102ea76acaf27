"""From the outbox to the log and the phones: each version once, and no row in the way of others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from bson import ObjectId

from domain.booking_changes import NO_SETTLEMENT, BookingChange
from domain.bookings import Booking, next_version
from domain.wire.events import BOOKINGS
from store.outbox import OutboxRow
from tests.bookings.market import Market, Somebody
from tests.bookings.phones import phone, wanted
from tests.harness.devices import TIMEOUT_SECONDS

HOUR = timedelta(hours=1)
GARBAGE = b"\xc1"


async def cancelled(market: Market, booking: Booking) -> None:
    """Its next version, committed by a node that dies right after."""
    now = market.clock()
    after = next_version(booking, now, status="cancelled", cancelled_by="client")
    change = BookingChange(
        booking=after, action="cancelled", by="client", sender_id=booking.client_user_id, was=booking.busy
    )
    assert await market.store.booking_transactions.alter(booking, change, NO_SETTLEMENT, now, None) is not None


async def spoil(market: Market, booking_id: ObjectId, version: int = 1) -> bytes:
    """Make a row one that no node can process; answers what it was."""
    rows = market.store.database.collection("outbox")
    row = await rows.find_one_and_update(
        {"booking": booking_id, "version": version}, {"$set": {"change": GARBAGE}}, upsert=True
    )
    return bytes(row["change"]) if row else b""


def rows_of(market: Market, booking_id: str) -> Callable[[], Awaitable[int]]:
    rows = market.store.database.collection("outbox")
    return lambda: rows.count_documents({"booking": ObjectId(booking_id)})


@asynccontextmanager
async def never_done(market: Market, node: int, trainer: Somebody) -> AsyncIterator[asyncio.Event]:
    """The node appends and tells, and is then too slow to take the trainer's row out of the outbox: set then."""
    outbox = market.nodes[node].store.outbox
    reached, go_on = asyncio.Event(), asyncio.Event()

    done = outbox.done

    async def slow(row: OutboxRow) -> None:
        if not reached.is_set() and row.change().booking.trainer_id == trainer.profile:
            reached.set()
            await go_on.wait()
        await done(row)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(outbox, "done", slow)
        try:
            yield reached
        finally:
            go_on.set()


async def test_a_cancellation_that_overlaps_the_creation_does_not_tell_it_again(market: Market) -> None:
    trainer = await market.trainer()
    client = await market.client(trainer)
    async with phone(market, client) as his, phone(market, trainer, 1) as hers:
        async with never_done(market, 0, trainer) as appended:
            creating = asyncio.create_task(his.do("booking:create", wanted(trainer, market.at(9)), BOOKINGS))
            await appended.wait()
            (created,) = await hers.receive("booking:created")
            await hers.do("booking:cancel", {"bookingId": created["booking"]["id"]}, BOOKINGS)
        await creating
        for device in (his, hers):
            await device.receive("booking:cancelled")
            # What was said before has arrived before.
            assert [event["booking"]["version"] for event in device.events("booking:created")] == [1]
            assert [event["booking"]["version"] for event in device.events("booking:cancelled")] == [2]
        await his.receive("credit:changed", 2)
        assert [event["version"] for event in his.events("credit:changed")] == [2, 3]


async def test_what_is_redriven_beside_a_slow_node_is_not_told_again(market: Market) -> None:
    trainer = await market.trainer()
    client = await market.client(trainer)
    async with phone(market, client) as his, phone(market, trainer, 1) as hers:
        async with never_done(market, 0, trainer) as appended:
            creating = asyncio.create_task(his.do("booking:create", wanted(trainer, market.at(9)), BOOKINGS))
            await appended.wait()
            (created,) = await hers.receive("booking:created")
            count = rows_of(market, created["booking"]["id"])
            assert await count() == 1
            # Long enough for the others to think that it is dead.
            market.clock.advance(seconds=10)
            async with asyncio.timeout(TIMEOUT_SECONDS):
                while await count():
                    pass
        booking = await creating
        await his.do("booking:cancel", {"bookingId": booking["id"]}, BOOKINGS)
        for device in (his, hers):
            await device.receive("booking:cancelled")
            assert len(device.events("booking:created")) == 1


async def test_a_version_is_told_once_by_however_many_nodes_settle_it(market: Market) -> None:
    trainer = await market.trainer()
    client = await market.client(trainer)
    async with phone(market, trainer, 1) as hers:
        booking = await market.commit(client, trainer, market.at(9), "confirmed")
        cancelling = [market.cancel({"id": booking.id}, client, node=node) for node in (0, 1)]
        # One of them is too late, and settles none the less.
        assert sorted(answer.status for answer in await asyncio.gather(*cancelling)) == [200, 409]
        await hers.receive("booking:cancelled")
        assert len(hers.events("booking:created")) == 1
        assert [m["message"]["booking"]["action"] for m in hers.events("message:new")] == ["created", "cancelled"]


async def test_rows_that_cannot_be_processed_do_not_starve_the_others(market: Market) -> None:
    """Fifteen stopped the outbox of every node; as each was taken for one round, so would more, for longer."""
    trainer = await market.trainer()
    client = await market.client(trainer)
    bad = [ObjectId() for _ in range(40)]
    rows = market.store.database.collection("outbox")
    await rows.insert_many(
        # As yesterday's nodes left them.
        {"booking": one, "version": 1, "change": GARBAGE, "createdAt": market.clock() - HOUR} for one in bad
    )
    try:
        async with phone(market, client) as his, phone(market, trainer, 1) as hers:
            booking = await market.commit(client, trainer, market.at(9), "confirmed")
            market.clock.advance(seconds=10)
            for device in (his, hers):
                (event,) = await device.receive("booking:created")
                assert event["booking"]["id"] == booking.id
        assert await rows.count_documents({"booking": {"$in": bad}}) == len(bad)
    finally:
        await rows.delete_many({"booking": {"$in": bad}})


async def test_a_version_that_cannot_be_processed_holds_back_the_next_of_its_booking_alone(market: Market) -> None:
    trainer = await market.trainer()
    client = await market.client(trainer, credits=2)
    async with phone(market, trainer, 1) as hers:
        stuck = await market.commit(client, trainer, market.at(9), "confirmed")
        good = await spoil(market, ObjectId(stuck.id))
        # The client has it cancelled, for that is committed.
        answer = await market.cancel({"id": stuck.id}, client)
        assert (answer.status, answer.body["status"], answer.body["version"]) == (200, "cancelled", 2)
        other = await market.commit(client, trainer, market.at(11), "confirmed")
        await cancelled(market, other)
        market.clock.advance(seconds=10)
        (event,) = await hers.receive("booking:cancelled")
        assert event["booking"]["id"] == other.id
        assert [e["booking"]["id"] for e in hers.events("booking:created")] == [other.id]
        assert await rows_of(market, stuck.id)() == 2
        # Mended, it goes on, in order.
        rows = market.store.database.collection("outbox")
        await rows.update_one({"booking": ObjectId(stuck.id), "version": 1}, {"$set": {"change": good}})
        market.clock.advance(minutes=10)
        await hers.receive("booking:cancelled", 2)
        assert [e["booking"]["id"] for e in hers.events("booking:created")] == [other.id, stuck.id]
    assert [entry["action"] for entry in await market.log(client, trainer)] == ["created", "cancelled"] * 2


async def test_rows_of_yesterday_s_nodes_are_settled(market: Market) -> None:
    trainer = await market.trainer()
    client = await market.client(trainer)
    rows = market.store.database.collection("outbox")
    booking = await market.commit(client, trainer, market.at(9), "confirmed")
    keys = {"_id": 1, "booking": 1, "version": 1, "change": 1, "createdAt": 1}
    row = await rows.find_one_and_delete({"booking": ObjectId(booking.id)})
    assert row is not None
    yesterday: dict[str, Any] = {name: row[name] for name in keys}
    async with phone(market, trainer, 1) as hers:
        # And one of them had claimed it.
        await rows.insert_one({**yesterday, "claimedUntil": market.clock() + timedelta(seconds=30)})
        market.clock.advance(minutes=1)
        for node in market.nodes:
            await node.store.outbox.queue.date_undated()
        (event,) = await hers.receive("booking:created")
        assert event["booking"]["id"] == booking.id
