"""``run.py dead-work``: rows that were set aside are listed, and made due again."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from bson import ObjectId

from domain.disputes import Dispute
from domain.payments import Incoming
from handlers.jobs import PUSHES, WEBHOOKS
from server.app import utc_now
from server.cluster.jobs import durable_jobs, durable_queues
from store.database import ClientSession, Database
from store.store import Store
from store.work_queue import WorkQueue
from tests.faults.served import run
from tests.harness.nodes import RunningNode

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LEASE = timedelta(seconds=60)
SECRET_WORDS = "nobody-may-read-this"


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[Store]:
    """Of a deployment that no node serves: what is due stays so."""
    database = Database(database_url)
    store = Store(database)
    await store.prepare()
    yield store
    database.close()


@pytest.fixture
def urls(database_url: str, redis_url: str) -> dict[str, str]:
    return {"MONGO_URL": database_url, "REDIS_URL": redis_url}


async def set_aside(queue: WorkQueue, at: datetime = NOW, **fields: object) -> ObjectId:
    """A fresh row that could not be done."""
    row_id = ObjectId()
    await queue.rows.insert_one({"_id": row_id, "dueAt": at, **fields})
    claimed = await queue.claim(at, LEASE)
    assert claimed is not None
    assert claimed.id == row_id
    await queue.set_aside(claimed, at, "ValueError")
    return row_id


async def test_rows_that_were_set_aside_are_listed(tmp_path: Path, store: Store, urls: dict[str, str]) -> None:
    """By ids and kinds alone; rows that wait or are worked on are none of them."""
    code, out, err = await run(tmp_path, "dead-work", **urls)
    assert (code, out, err) == (0, "", "No rows are set aside.\n")
    refund = await set_aside(store.refunds.queue, amount=5, reason=SECRET_WORDS)
    delivery = await set_aside(store.webhook_deliveries.queues[1], lane=1, body=SECRET_WORDS)
    await store.refunds.queue.rows.insert_one({"_id": ObjectId(), "dueAt": NOW})
    code, out, err = await run(tmp_path, "dead-work", **urls)
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        f"refunds\t{refund}\tValueError\t1\t2026-01-01T00:00:00.000Z",
        f"webhooks 2\t{delivery}\tValueError\t1\t2026-01-01T00:00:00.000Z",
    ]


async def test_all_of_a_job_are_made_due_again(tmp_path: Path, store: Store, urls: dict[str, str]) -> None:
    """For the nodes that serve; the command does none of the work."""
    # By the clock of a node that is ahead of this one's.
    ahead = utc_now() + timedelta(minutes=5)
    refunds = {await set_aside(store.refunds.queue, at) for at in (NOW, NOW, ahead)}
    receipt = await set_aside(store.receipts.queue)
    began = utc_now()
    code, out, err = await run(tmp_path, "dead-work", "--replay", "refunds", **urls)
    assert (code, out, err) == (0, "refunds: 3 due again\n", "")
    left = await store.refunds.queue.rows.find().to_list(None)
    assert {row["_id"] for row in left} == refunds
    assert all(row.keys() == {"_id", "dueAt"} and began <= row["dueAt"] <= utc_now() for row in left)
    assert [row.id for row in await store.receipts.queue.dead()] == [receipt]
    code, out, err = await run(tmp_path, "dead-work", "--replay", "refunds", **urls)
    assert (code, out, err) == (0, "refunds: 0 due again\n", "")


async def test_named_rows_are_made_due_again(tmp_path: Path, store: Store, urls: dict[str, str]) -> None:
    """Of the job alone that they are named with, also where it has its collection with others."""
    one, other, third = [await set_aside(store.webhook_deliveries.queues[lane], lane=lane) for lane in (1, 1, 2)]
    ids = [str(one), str(third), str(one)]
    code, out, err = await run(tmp_path, "dead-work", "--replay", "webhooks 2", *ids, **urls)
    assert (code, out) == (1, "webhooks 2: 1 due again\n")
    assert err == f"webhooks 2: no row {third} is set aside\n"
    assert [row.id for row in await store.webhook_deliveries.queues[1].dead()] == [other]
    assert [row.id for row in await store.webhook_deliveries.queues[2].dead()] == [third]


async def test_a_job_or_row_that_cannot_be(tmp_path: Path, store: Store, urls: dict[str, str]) -> None:
    """Nothing is replayed then."""
    row = await set_aside(store.refunds.queue)
    code, out, err = await run(tmp_path, "dead-work", "--replay", "refund", **urls)
    assert (code, out) == (2, "")
    assert "There is no job 'refund'." in err and "refunds" in err and "Traceback" not in err
    code, out, err = await run(tmp_path, "dead-work", "--replay", "refunds", str(row), "nonsense", **urls)
    assert (code, out, err) == (2, "", "'nonsense' is no id of a row of refunds.\n")
    assert [dead.id for dead in await store.refunds.queue.dead()] == [row]


async def test_every_job_is_known(running: RunningNode) -> None:
    """Those that this deployment does not run as well: their rows may be of a time when it did."""
    context = running.node.context
    queues = durable_queues(context.store)
    jobs = durable_jobs(context)
    assert {job.name: job.queue for job in jobs}.items() <= queues.items()
    assert queues.keys() - {job.name for job in jobs} <= {"undelivered messages", *PUSHES.values()}
    assert queues.keys() >= {"undelivered messages", *PUSHES.values(), *WEBHOOKS}


async def test_rows_of_every_job_are_found_by_the_ids_that_are_listed(store: Store) -> None:
    """Once each, whatever their ids are like."""
    # By the real clock: MongoDB takes rows whose time to be kept is over.
    now = utc_now()
    await store.undelivered.begin(["fresh"], now)
    await store.compared_events.begin(now)
    await store.compared_payments.begin(now)
    await store.publish_outages.note_dead("a-node", now, now, now)
    await store.stripe_events.add(Incoming(id="evt_1", type="charge.updated"), now)
    dispute = Dispute(id="dp_1", transaction_id=str(ObjectId()), amount=1, status="open", created_at=now)

    async def body(session: ClientSession) -> None:
        await store.disputes.put(None, dispute, now, session=session)

    await store.database.transaction(body)
    due = now + timedelta(days=1)
    queues = durable_queues(store)
    for name, queue in queues.items():
        claimed = await queue.claim(due, LEASE)
        if claimed is None:
            instants = dict.fromkeys(("dueAt", "checkAt", "pushDueAt", "tellAt"), now)
            lane = WEBHOOKS.index(name) if name in WEBHOOKS else 0
            await queue.rows.insert_one({"_id": ObjectId(), **instants, "unapplied": True, "lane": lane})
            claimed = await queue.claim(due, LEASE)
        assert claimed is not None, name
        await queue.set_aside(claimed, due, "ValueError")
    for name, queue in queues.items():
        (row,) = await queue.dead()
        assert await queue.replay(queue.id_of(str(row.id)), due), name
        assert await queue.dead() == []
