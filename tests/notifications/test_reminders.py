"""A reminder and the note that it was given are one: what was not committed is told by nobody."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from bson import ObjectId

from domain.errors import Code, DomainError
from domain.wire.events import BOOKINGS
from handlers.bookings import due
from store.command_budget import Budget, within
from tests.bookings.market import served_market
from tests.bookings.phones import phone
from tests.harness.mail_server import Desk
from tests.notifications.pushed import Pushed
from tests.notifications.services import PushService, serving, settings


async def test_what_was_not_committed_is_told_once_it_is_and_once(
    mongo_url: str, redis_url: str, tmp_path: Path
) -> None:
    """Somebody else's transaction has the booking for longer than ours waits for it."""
    async with (
        serving(PushService()) as apns,
        serving(PushService()) as fcm,
        served_market(mongo_url, redis_url, tmp_path, 1, **settings(apns, fcm)) as market,
    ):
        node, database = market.nodes[0], market.store.database
        # It would take the booking before us.
        await node.durable_work.stop(10)
        trainer = await market.trainer()
        client = await market.client(trainer)
        await Pushed(market, apns, fcm, Desk()).register(trainer)
        booking = await market.booked(client, trainer, market.at(9, days=3))
        market.clock.now = market.at(9, days=2)
        job = due.due_bookings_job(node.context)
        claimed = await job.queue.claim(market.clock(), timedelta(minutes=1))
        assert claimed is not None

        async def pushes() -> int:
            return await database.collection("apnsPushes").count_documents({"kind": "reminder"})

        async with phone(market, client) as his:
            async with await database.client.start_session() as session:
                session.start_transaction()
                await database.collection("bookings").update_one(
                    {"_id": ObjectId(booking["id"])}, {"$set": {"updatedAt": market.clock()}}, session=session
                )
                # Less than MongoDB lets a transaction live.
                with within(Budget(seconds=1.0)), pytest.raises(DomainError) as failed:
                    await job.work(claimed)
                assert failed.value.code is Code.UNAVAILABLE
                await session.abort_transaction()
            await his.do("booking:list", {}, BOOKINGS)
            assert his.events("booking:reminder") == []
            assert await pushes() == 0
            await job.work(claimed)
            await his.receive("booking:reminder")
            await his.do("booking:list", {}, BOOKINGS)
            assert len(his.events("booking:reminder")) == 1
            assert await pushes() == 1
