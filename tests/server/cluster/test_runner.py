"""The durable-work runner: rows fail, nodes die, time goes on; each row is done, and none waits for another."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Collection, Coroutine
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar
from uuid import uuid4

import pytest
from bson import ObjectId
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from pymongo.monitoring import CommandFailedEvent, CommandListener, CommandStartedEvent, CommandSucceededEvent

from domain.errors import unavailable
from handlers.jobs import Backoff, Job, Postponed, WakeUps
from server.cluster import runner as runner_module
from server.cluster.runner import JobRunner, Runner
from server.observability.metrics import Metrics
from store import concurrency
from store.backoff import ExponentialBackoff
from store.database import CollectionSchema, Database, prepare
from store.work_queue import DueRows, Undated, WorkBacklog, WorkQueue, WorkRow, work_indexes
from tests.harness.databases import ListenedDatabase
from tests.harness.machines import run_machine
from tests.harness.nodes import RunningNode
from tests.harness.waiting import eventually, until
from tests.harness.work import work_off

START = datetime(2027, 1, 1, tzinfo=UTC)
LEASE = timedelta(seconds=60)
ATTEMPTS = 4
BACKOFF = Backoff(first=timedelta(seconds=1), longest=timedelta(seconds=20), longest_excused=timedelta(seconds=5))
# What jitter makes of the longest pause.
LONGEST = 1.25 * BACKOFF.longest
TIMEOUT_SECONDS = 15.0


@dataclass
class Rows:
    """A collection of rows with a queue over it, and a clock that is moved."""

    database: Database
    name: str
    now: datetime = START
    # How often each row still fails, and in which way.
    failures: dict[ObjectId, list[Exception]] = field(default_factory=dict)
    done: Counter[ObjectId] = field(default_factory=Counter)

    @property
    def queue(self) -> WorkQueue:
        return WorkQueue(self.database, self.name, removes=True, undated=Undated("at", timedelta(seconds=5)))

    def clock(self) -> datetime:
        return self.now

    async def add(self, *failures: Exception, due: timedelta = timedelta()) -> ObjectId:
        row_id = ObjectId()
        self.failures[row_id] = list(failures)
        await self.database.collection(self.name).insert_one({"_id": row_id, "dueAt": self.now + due})
        return row_id

    async def work(self, row: WorkRow) -> None:
        if self.failures[row.id]:
            raise self.failures[row.id].pop()
        self.done[row.id] += 1

    def job(self, **how: Any) -> Job:
        job = Job("rows", self.queue, self.work, lease=LEASE, attempts=ATTEMPTS, backoff=BACKOFF)
        return replace(job, **how)

    async def empty(self) -> None:
        await self.database.collection(self.name).delete_many({})

    async def left(self) -> list[dict[str, Any]]:
        return await self.database.collection(self.name).find().to_list(None)


@pytest.fixture
async def rows(kept_database: Database) -> AsyncIterator[Rows]:
    name = f"rows_{uuid4().hex[:8]}"
    await prepare(kept_database, [CollectionSchema(name, work_indexes())])
    yield Rows(kept_database, name)
    await kept_database.collection(name).drop()


# --- the machine ---


class RunnerMachine(RuleBasedStateMachine):
    """``rows``: the world; two nodes. What a dead node has claimed is its own until its lease runs out."""

    rows: ClassVar[Rows]
    loop: ClassVar[asyncio.AbstractEventLoop]

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(60)

    @initialize()
    def begin(self) -> None:
        self.run(self.rows.empty())
        self.rows.failures.clear()
        self.rows.done.clear()
        self.expected: set[ObjectId] = set()
        self.poison: set[ObjectId] = set()
        self.lost: dict[ObjectId, datetime] = {}
        self.nodes = [JobRunner(self.rows.job(), self.rows.clock) for _ in range(2)]

    @rule(failures=st.lists(st.sampled_from([ValueError(), unavailable(), Postponed()]), max_size=ATTEMPTS - 1))
    def add(self, failures: list[Exception]) -> None:
        self.expected.add(self.run(self.rows.add(*failures)))

    @rule()
    def add_poison(self) -> None:
        self.poison.add(self.run(self.rows.add(*[KeyError("words")] * 100)))

    @rule(numbers=st.lists(st.integers(0, 1), min_size=1, max_size=4))
    def work(self, numbers: list[int]) -> None:
        """By either node, or by both at once."""

        async def at_once() -> None:
            await asyncio.gather(*(self.nodes[number].next() for number in numbers))

        self.run(at_once())

    @rule(after=st.booleans())
    def die(self, after: bool) -> None:
        """A node, between its claim and its end of it: before it did the work, or after."""

        async def claim() -> None:
            row = await self.rows.queue.claim(self.rows.now, LEASE)
            if row is None:
                return
            self.lost[row.id] = row.until
            if after and row.id in self.expected:
                self.rows.done[row.id] += 1

        self.run(claim())

    @rule(seconds=st.sampled_from([0.001, 1, 5, 30, 60, 600]))
    def pass_time(self, seconds: float) -> None:
        self.rows.now += timedelta(seconds=seconds)

    @rule()
    def work_off(self) -> None:
        """Whatever has not failed, and is in nobody's hands, is done now: nothing is in its way."""
        fresh = {row for row in self.expected if not self.rows.failures[row]}
        self.run(work_off(self.nodes[0].job, self.rows.clock))
        held = {row for row, until in self.lost.items() if until > self.rows.now}
        waiting = {row["_id"] for row in self.run(self.rows.left()) if row.get("work", {}).get("attempts")}
        assert all(self.rows.done[row] for row in fresh - held - waiting)

    @invariant()
    def nothing_is_lost(self) -> None:
        left = {row["_id"] for row in self.run(self.rows.left())}
        assert left >= self.poison
        assert all(row in left or self.rows.done[row] for row in self.expected)

    def teardown(self) -> None:
        if not hasattr(self, "expected"):
            return
        # Each round is longer than any lease and any pause.
        for _ in range(3 * ATTEMPTS + len(self.lost)):
            self.rows.now += LEASE + LONGEST
            self.run(work_off(self.nodes[0].job, self.rows.clock))
        assert {row["_id"] for row in self.run(self.rows.left())} == self._set_aside()
        assert all(self.rows.done[row] for row in self.expected - self._died_of())
        dead = self.run(self.rows.queue.dead(1000))
        assert {row.id for row in dead} == self._set_aside()
        assert {row.error for row in dead} <= {"KeyError", "LeaseExpired", "ValueError"}
        # An administrator, once the cause is mended.
        self.rows.failures = {row: [] for row in self.rows.failures}
        assert all(self.run(self.rows.queue.replay(row.id, self.rows.now)) for row in dead)
        self.run(work_off(self.nodes[0].job, self.rows.clock))
        assert self.run(self.rows.left()) == []
        assert all(self.rows.done[row] for row in self.expected | self.poison)

    def _died_of(self) -> set[ObjectId]:
        """Rows at which so many nodes died that they count as its doing."""
        return {row.id for row in self.run(self.rows.queue.dead(1000))} & self.lost.keys()

    def _set_aside(self) -> set[ObjectId]:
        return self.poison | self._died_of()


async def test_each_row_is_done_and_none_is_lost(rows: Rows) -> None:
    await run_machine(RunnerMachine, 25, 25, derandomize=True, rows=rows)


@pytest.mark.soak
async def test_each_row_is_done_and_none_is_lost_for_long(rows: Rows) -> None:
    await run_machine(RunnerMachine, 500, 60, derandomize=False, rows=rows)


# --- one thing at a time ---


async def test_failing_rows_keep_their_distance_and_others_go_on(rows: Rows) -> None:
    bad = [await rows.add(*[ValueError()] * 100) for _ in range(30)]
    good = await rows.add()
    await work_off(rows.job(), rows.clock)
    assert rows.done == {good: 1}
    assert {row["_id"] for row in await rows.left()} == set(bad)
    pauses = [(row["dueAt"] - rows.now).total_seconds() for row in await rows.left()]
    assert all(0.7 <= pause <= 1.3 for pause in pauses)
    # They spread, so that they do not come back together.
    assert len(set(pauses)) > 10


async def test_what_a_row_is_not_to_blame_for_does_not_count_against_it(rows: Rows) -> None:
    """However long a mail server is down, its rows are not given up, nor wait longer than that takes to end."""
    row = await rows.add(*[Postponed()] * 50)
    for _ in range(50):
        await work_off(rows.job(), rows.clock)
        (left,) = await rows.left()
        assert left["dueAt"] - rows.now <= 1.25 * BACKOFF.longest_excused
        rows.now = left["dueAt"]
    await work_off(rows.job(), rows.clock)
    assert rows.done == {row: 1}


async def test_a_row_that_kills_whoever_works_on_it_is_set_aside(rows: Rows) -> None:
    row = await rows.add()
    for _ in range(ATTEMPTS):
        assert await rows.queue.claim(rows.now, LEASE) is not None
        rows.now += LEASE
    await work_off(rows.job(), rows.clock)
    assert rows.done == {}
    assert [(dead.id, dead.error) for dead in await rows.queue.dead()] == [(row, "LeaseExpired")]


async def test_what_was_claimed_by_another_meanwhile_is_that_ones(rows: Rows) -> None:
    await rows.add()
    slow = await rows.queue.claim(rows.now, LEASE)
    rows.now += LEASE
    quick = await rows.queue.claim(rows.now, LEASE)
    assert slow is not None
    assert quick is not None
    (before,) = await rows.left()
    await rows.queue.complete(slow)
    await rows.queue.retry(slow, rows.now, "ValueError")
    await rows.queue.set_aside(slow, rows.now, "ValueError")
    await rows.queue.release(slow)
    assert await rows.left() == [before]
    await rows.queue.complete(quick)
    assert await rows.left() == []


async def test_a_rescheduled_row_is_due_then_and_counts_its_attempts_from_anew(rows: Rows) -> None:
    """With what has become of it; a field that is given nothing goes."""
    row, at = await rows.add(ValueError()), rows.now + timedelta(hours=1)
    await work_off(rows.job(), rows.clock)
    rows.now += LONGEST
    claimed = await rows.queue.claim(rows.now, LEASE)
    assert claimed is not None
    assert claimed.attempts == 2
    assert await rows.queue.reschedule(claimed, at, {"after": 7, "looks": 1})
    assert await rows.left() == [{"_id": row, "dueAt": at, "after": 7, "looks": 1}]
    # The runner ends every claim; this one is over.
    await rows.queue.complete(claimed)
    rows.now = at - timedelta(milliseconds=1)
    assert await rows.queue.claim(rows.now, LEASE) is None
    rows.now = at
    again = await rows.queue.claim(rows.now, LEASE)
    assert again is not None
    assert (again.attempts, again.faults, again.due_at) == (1, 1, at)
    assert not await rows.queue.reschedule(again, at, {"after": None}, where={"looks": 2})
    assert await rows.queue.reschedule(again, at, {"after": None}, where={"looks": 1})
    assert await rows.left() == [{"_id": row, "dueAt": at, "looks": 1}]


async def test_a_row_that_another_has_claimed_is_not_rescheduled(rows: Rows) -> None:
    """Nor one that was given another instant, or removed."""
    row = await rows.add()
    slow = await rows.queue.claim(rows.now, LEASE)
    rows.now += LEASE
    quick = await rows.queue.claim(rows.now, LEASE)
    assert slow is not None
    assert quick is not None
    # Both ends may fall on one instant, where clocks differ.
    for one in (slow, replace(slow, until=quick.until)):
        before = await rows.left()
        assert not await rows.queue.reschedule(one, rows.now, {"after": 7})
        assert await rows.left() == before
    fresh = {"$set": {"dueAt": rows.now}, "$unset": {"work": ""}}
    await rows.database.collection(rows.name).update_one({"_id": row}, fresh)
    assert not await rows.queue.reschedule(quick, rows.now + LEASE)
    assert await rows.left() == [{"_id": row, "dueAt": rows.now}]
    await rows.empty()
    assert not await rows.queue.reschedule(quick, rows.now + LEASE)
    assert await rows.left() == []


async def test_only_a_row_of_the_queue_s_own_is_replayed(rows: Rows) -> None:
    """Where several have one collection."""
    mine, others = (WorkQueue(rows.database, rows.name, shared={"lane": lane}) for lane in range(2))
    row = ObjectId()
    await rows.database.collection(rows.name).insert_one({"_id": row, "lane": 0, "dueAt": rows.now})
    claimed = await mine.claim(rows.now, LEASE)
    assert claimed is not None
    await mine.set_aside(claimed, rows.now, "ValueError")
    assert not await others.replay(row, rows.now)
    assert [dead.id for dead in await mine.dead()] == [row]
    assert await mine.replay(row, rows.now)
    assert await mine.dead() == []


async def has_an_instant(rows: Rows) -> bool:
    return all("dueAt" in row for row in await rows.left())


async def test_rows_without_an_instant_get_one(rows: Rows) -> None:
    row = ObjectId()
    rows.failures[row] = []
    await rows.database.collection(rows.name).insert_one({"_id": row, "at": rows.now})
    starting = Runner([rows.job()], rows.clock)
    starting.start()
    try:
        await eventually(lambda: has_an_instant(rows))
    finally:
        await starting.stop(TIMEOUT_SECONDS)
    runner = JobRunner(rows.job(), rows.clock)
    assert not await runner.next()
    rows.now += timedelta(seconds=5)
    assert await runner.next()
    assert rows.done == {row: 1}


async def test_claiming_skips_nothing(rows: Rows) -> None:
    """While many rows are in somebody's hands, the next one costs what the first did."""
    for _ in range(200):
        await rows.add()
    for _ in range(150):
        assert await rows.queue.claim(rows.now, LEASE) is not None
    database = rows.database.db
    query = {"dueAt": {"$lte": rows.now}}
    plan = await database.command(
        {"explain": {"findAndModify": rows.name, "query": query, "sort": {"dueAt": 1}, "update": {"$set": {"x": 1}}},
         "verbosity": "executionStats"}
    )  # fmt: skip
    assert plan["executionStats"]["totalKeysExamined"] <= 2


async def test_a_wake_up_is_not_waited_for(rows: Rows) -> None:
    wake_ups, seen = WakeUps(), asyncio.Event()

    async def work(row: WorkRow) -> None:
        seen.set()

    runner = Runner([rows.job(work=work, poll=timedelta(hours=1))], rows.clock, wake_ups)
    runner.start()
    try:
        # It looks once, and then rests.
        await rows.add(due=-LEASE)
        wake_ups.wake("rows")
        async with asyncio.timeout(TIMEOUT_SECONDS):
            await seen.wait()
    finally:
        await runner.stop(TIMEOUT_SECONDS)


async def test_at_rest_all_jobs_are_one_read(rows: Rows, database_url: str) -> None:
    """And a row that another node has made is found by it."""
    sent: Counter[str] = Counter()
    polled, seen = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    class Listener(CommandListener):
        def started(self, event: CommandStartedEvent) -> None:
            sent[event.command_name] += 1
            if sent["aggregate"] == 5:
                loop.call_soon_threadsafe(polled.set)

        def succeeded(self, event: CommandSucceededEvent) -> None: ...
        def failed(self, event: CommandFailedEvent) -> None: ...

    async def work(row: WorkRow) -> None:
        seen.set()

    database = ListenedDatabase(database_url, Listener())
    names = [rows.name, *(f"{rows.name}_{number}" for number in range(3))]
    jobs = [
        rows.job(name=name, queue=WorkQueue(database, name, removes=True), work=work, poll=timedelta(milliseconds=20))
        for name in names
    ]
    runner = Runner(jobs, rows.clock)
    runner._look = asyncio.Event().wait  # type: ignore[method-assign,assignment]
    runner.start()
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            await polled.wait()
            assert sent.keys() - {"endSessions"} == {"aggregate"}
            await rows.add()
            await seen.wait()
    finally:
        await runner.stop(TIMEOUT_SECONDS)
        database.close()
    assert await rows.left() == []


@pytest.mark.parametrize("failures", [[unavailable()], [unavailable()] * 100, [KeyError("words")] * 100], ids=len)
async def test_a_poll_that_fails_is_in_nobodys_way(
    rows: Rows, monkeypatch: pytest.MonkeyPatch, failures: list[Exception]
) -> None:
    """One time or always: where one collection cannot be read, the jobs of all others go on."""
    failing, seen = [*failures], asyncio.Event()
    names = DueRows.names

    async def read(due: DueRows, of: Collection[str], now: datetime) -> set[str]:
        if failing:
            raise failing.pop()
        return await names(due, of, now)

    async def work(row: WorkRow) -> None:
        seen.set()

    monkeypatch.setattr(DueRows, "names", read)
    monkeypatch.setattr(runner_module, "_POLL_BACKOFF", ExponentialBackoff(first=0.01, longest=0.01))
    await rows.add()
    runner = Runner([rows.job(work=work)], rows.clock)
    runner.start()
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            await seen.wait()
    finally:
        await runner.stop(TIMEOUT_SECONDS)
    assert len(failing) < len(failures)


async def test_no_job_is_looked_for_without_an_index(running: RunningNode) -> None:
    due = running.node.durable_work._due
    rows, stages, hint = due.read(due._queues.keys(), START)
    plan = await explained(rows, stages, **hint)
    assert plan.count('"IXSCAN"') >= len(due._queues)
    assert "COLLSCAN" not in plan


async def test_no_backlog_is_looked_for_without_an_index(running: RunningNode) -> None:
    due = running.node.durable_work._due
    plan = await explained(*due.read_backlogs(START))
    assert plan.count('"IXSCAN"') >= 2 * len(due._queues)
    assert "COLLSCAN" not in plan


async def explained(rows: Any, stages: list[dict[str, Any]], **hint: Any) -> str:
    command = {"aggregate": rows.name, "pipeline": stages, "cursor": {}, **hint}
    return json.dumps(await rows.database.command({"explain": command, "verbosity": "queryPlanner"}), default=str)


async def test_no_more_than_so_many_at_once(rows: Rows) -> None:
    in_hand, most, full, go_on = 0, 0, asyncio.Event(), asyncio.Event()

    async def work(row: WorkRow) -> None:
        nonlocal in_hand, most
        in_hand += 1
        most = max(most, in_hand)
        if in_hand == 3:
            full.set()
        await go_on.wait()
        in_hand -= 1
        rows.done[row.id] += 1

    for _ in range(10):
        await rows.add()
    runner = Runner([rows.job(work=work, at_once=3, poll=timedelta(milliseconds=10))], rows.clock)
    runner.start()
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            await full.wait()
            assert len(await rows.database.collection(rows.name).find({"work": {"$exists": True}}).to_list(None)) == 3
            go_on.set()
            while await rows.left():
                pass
    finally:
        await runner.stop(TIMEOUT_SECONDS)
    assert (most, len(rows.done)) == (3, 10)


async def test_the_end_finishes_what_is_in_hand(rows: Rows) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def work(row: WorkRow) -> None:
        begun.set()
        await go_on.wait()
        rows.done[row.id] += 1

    row = await rows.add()
    runner = Runner([rows.job(work=work, at_once=1)], rows.clock)
    runner.start()
    await begun.wait()
    stopping = asyncio.create_task(runner.stop(TIMEOUT_SECONDS))
    late = await rows.add()
    go_on.set()
    await stopping
    assert rows.done == {row: 1}
    assert [left["_id"] for left in await rows.left()] == [late]


async def test_the_end_releases_what_cannot_be_finished(rows: Rows, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when MongoDB takes longer for that than the work for its end."""
    begun = asyncio.Event()
    # Whatever is cancelled is cancelled again at once, for as long as it goes on.
    monkeypatch.setattr(concurrency, "_CANCEL_AGAIN_SECONDS", 0.0)

    async def work(row: WorkRow) -> None:
        begun.set()
        await asyncio.Event().wait()

    row = await rows.add()
    runner = Runner([rows.job(work=work)], rows.clock)
    runner.start()
    await begun.wait()
    await runner.stop(0.01)
    # Another has it at once, and nothing counts against the row.
    claimed = await rows.queue.claim(rows.now, LEASE)
    assert claimed is not None
    assert (claimed.id, claimed.faults) == (row, 1)


async def test_work_that_takes_longer_than_its_lease_ends_with_it(rows: Rows) -> None:
    async def work(row: WorkRow) -> None:
        await asyncio.Event().wait()

    await rows.add()
    await JobRunner(rows.job(work=work, lease=timedelta(milliseconds=100)), rows.clock).next()
    (left,) = await rows.left()
    assert left["work"]["error"] == "TimeoutError"


async def test_a_row_whose_claim_took_long_is_left_to_others(rows: Rows, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lease counts from when it was asked for: another node may begin soon."""
    now, claim = 0.0, WorkQueue.claim

    async def slow(queue: WorkQueue, *arguments: Any, **more: Any) -> WorkRow | None:
        nonlocal now
        row = await claim(queue, *arguments, **more)
        now += 0.6 * LEASE.total_seconds()
        return row

    monkeypatch.setattr(runner_module, "monotonic", lambda: now)
    monkeypatch.setattr(WorkQueue, "claim", slow)
    row = await rows.add()
    assert await JobRunner(rows.job(), rows.clock).next()
    assert rows.done == {}
    monkeypatch.undo()
    claimed = await rows.queue.claim(rows.now, LEASE)
    assert claimed is not None
    assert (claimed.id, claimed.faults) == (row, 1)


async def test_only_queues_with_a_backlog_are_counted(rows: Rows) -> None:
    lanes = ("due", "begun", "set aside", "later", "none")
    queues = {lane: WorkQueue(rows.database, rows.name, shared={"lane": lane}) for lane in lanes}
    for lane in lanes[:4]:
        due = rows.now + timedelta(days=lane == "later")
        await rows.database.collection(rows.name).insert_one({"lane": lane, "dueAt": due})
    assert await queues["begun"].claim(rows.now, LEASE) is not None
    claimed = await queues["set aside"].claim(rows.now, LEASE)
    assert claimed is not None
    await queues["set aside"].set_aside(claimed, rows.now, "ValueError")
    assert await DueRows(queues).with_backlog(rows.now) == {"due", "begun", "set aside"}


async def counted(runner: Runner, waiting: int) -> None:
    (job,) = runner._runners
    job.backlog = WorkBacklog(9, None, 9)
    runner.start()
    try:
        await until(lambda: job.backlog.waiting == waiting)
    finally:
        await runner.stop(TIMEOUT_SECONDS)


@pytest.mark.parametrize("unread", [False, True])
async def test_a_backlog_is_read_though_not_all_could_be_at_once(
    rows: Rows, monkeypatch: pytest.MonkeyPatch, unread: bool
) -> None:
    async def failing(due: DueRows, now: datetime) -> set[str]:
        raise unavailable()

    monkeypatch.setattr(runner_module, "FIRST_BACKLOG_SECONDS", 0.01)
    if unread:
        monkeypatch.setattr(DueRows, "with_backlog", failing)
    for _ in range(3):
        await rows.add()
        # In another node's hands: what is claimed while it is counted may be counted twice.
        assert await rows.queue.claim(rows.now, LEASE) is not None
    await counted(Runner([rows.job()], rows.clock), 3)
    await rows.empty()
    await counted(Runner([rows.job()], rows.clock), 0)


async def test_what_is_told(rows: Rows) -> None:
    await rows.add(*[ValueError()] * 100)
    await rows.add(due=-timedelta(seconds=40))
    runner = Runner([rows.job(attempts=1)], rows.clock)
    (job,) = runner._runners
    await job.look()

    def page() -> set[str]:
        metrics = Metrics()
        metrics.add(runner.metrics())
        return set(metrics.render().decode().splitlines())

    assert {'spotter_work_rows{job="rows"} 2.0', 'spotter_work_oldest_seconds{job="rows"} 40.0'} <= page()
    while await job.next():
        pass
    await job.look()
    assert {
        'spotter_work_rows{job="rows"} 0.0',
        'spotter_work_oldest_seconds{job="rows"} 0.0',
        'spotter_work_dead{job="rows"} 1.0',
        'spotter_work_attempts_total{job="rows"} 2.0',
        'spotter_work_failures_total{job="rows"} 1.0',
        'spotter_work_set_aside_total{job="rows"} 1.0',
    } <= page()
