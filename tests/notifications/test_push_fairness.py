"""One person with thousands of waiting pushes, or a service that hangs, holds nobody else's up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from bson import ObjectId

from handlers.jobs import Job
from handlers.notifications.pushing import push_jobs
from handlers.notifications.undelivered import undelivered_messages_job
from server.cluster.runner import JobRunner
from store.conversations import PARTICIPANTS
from store.pushes import NAMES
from tests.bookings.market import Somebody
from tests.harness.devices import TIMEOUT_SECONDS
from tests.notifications.pushed import Pushed

MANY = 3000


@asynccontextmanager
async def running(pushed: Pushed, job: Job) -> AsyncIterator[None]:
    runner = JobRunner(job, pushed.market.clock)
    task = asyncio.create_task(runner.run())
    try:
        yield
    finally:
        runner.stop_claiming()
        await runner.abandon()
        await task


async def flooded(pushed: Pushed, who: Somebody, conversation: str) -> None:
    """Pushes of theirs that have been due for a while."""
    database, now = pushed.market.nodes[0].database, pushed.market.clock()
    device = (await pushed.market.store.devices.of(who.id))[0]
    side = await pushed.side(who, conversation)
    row = {
        "user": ObjectId(who.id), "device": ObjectId(device.id), "order": 1, "kind": "withdrawal", "about": side["_id"],
        "subject": "", "endsAt": now + timedelta(days=1), "createdAt": now, "dueAt": now - timedelta(minutes=1),
    }  # fmt: skip
    await database.collection(NAMES["apns"]).insert_many({**row, "key": f"k{number}"} for number in range(MANY))


async def test_whoever_has_many_pushes_takes_turns_with_the_others(pushed: Pushed) -> None:
    greedy, _, crowd = await pushed.pair()
    quiet, other, conversation = await pushed.pair()
    many, one = await pushed.register(greedy), await pushed.register(quiet)
    pushed.left(pushed.apns)
    apns, *_ = push_jobs(pushed.market.nodes[0].context)
    pushed.apns.open.clear()
    await flooded(pushed, greedy, crowd)
    rows = pushed.market.nodes[0].database.collection(NAMES["apns"])
    try:
        async with running(pushed, apns):
            async with asyncio.timeout(TIMEOUT_SECONDS):
                pushed.apns.arrived.clear()
                await pushed.apns.arrived.wait()
            # All places are taken when the other's becomes due, as the last of all.
            await pushed.send(other, conversation, "hello")
            side = await pushed.side(quiet, conversation)
            (found,) = await pushed.market.store.devices.of(quiet.id)
            await rows.insert_one({
                "user": ObjectId(quiet.id), "device": ObjectId(found.id), "order": 1, "kind": "withdrawal",
                "about": side["_id"], "subject": "", "key": "k", "endsAt": pushed.market.clock() + timedelta(days=1),
                "createdAt": pushed.market.clock(), "dueAt": pushed.market.clock(),
            })  # fmt: skip
            pushed.apns.open.set()
            before = 0
            async with asyncio.timeout(TIMEOUT_SECONDS):
                while (await pushed.apns.received.get()).to != one:
                    before += 1
        assert many != one and before < 100
    finally:
        pushed.apns.open.set()
        await rows.delete_many({"user": ObjectId(greedy.id)})
        pushed.left(pushed.apns)


async def test_whoever_lags_behind_in_many_conversations_takes_turns_with_the_others(pushed: Pushed) -> None:
    greedy, _, _ = await pushed.pair()
    quiet, other, conversation = await pushed.pair()
    database, now = pushed.market.nodes[0].database, pushed.market.clock()
    sides = database.collection(PARTICIPANTS)
    crowd = [
        {
            "userId": ObjectId(greedy.id), "conversationId": ObjectId(), "role": "client", "profileId": ObjectId(),
            "seenSeq": 0, "deliveredSeq": 0, "createdAt": now, "updatedAt": now,
            "pushDueAt": now - timedelta(minutes=1),
        }
        for _ in range(MANY)
    ]  # fmt: skip
    await sides.insert_many(crowd)
    await pushed.send(other, conversation, "hello")
    await sides.update_one(
        {"userId": ObjectId(quiet.id), "conversationId": ObjectId(conversation)}, {"$set": {"pushDueAt": now}}
    )
    try:
        job = undelivered_messages_job(pushed.market.nodes[0].context)
        async with running(pushed, job), asyncio.timeout(TIMEOUT_SECONDS):
            while "pushedSeq" not in await pushed.side(quiet, conversation):  # noqa: ASYNC110 - the database says so
                await asyncio.sleep(0.01)
        waiting = await sides.count_documents({"userId": ObjectId(greedy.id), "pushDueAt": {"$exists": True}})
        assert waiting > MANY - 200
    finally:
        await sides.delete_many({"_id": {"$in": [one["_id"] for one in crowd]}})


async def test_a_service_that_hangs_holds_up_its_own_pushes_only(pushed: Pushed) -> None:
    client, trainer, conversation = await pushed.pair()
    other = await pushed.pair()
    hangs, answers = await pushed.register(trainer, "ios"), await pushed.register(other[1], "android")
    pushed.apns.open.clear()
    for one in ((client, conversation), (other[0], other[2])):
        await pushed.send(*one, "hello")
    apns, fcm = push_jobs(pushed.market.nodes[0].context)
    await pushed.scan()
    pushed.market.clock.advance(seconds=10)
    undelivered = undelivered_messages_job(pushed.market.nodes[0].context)
    async with running(pushed, undelivered), running(pushed, apns), running(pushed, fcm):
        assert (await pushed.next(pushed.fcm, answers)).said == "hello"
        assert pushed.left(pushed.apns, hangs) == []
        pushed.apns.open.set()
        assert (await pushed.next(pushed.apns, hangs)).said == "hello"
