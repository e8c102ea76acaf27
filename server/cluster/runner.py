"""The durable-work runner: claims rows of each job, works on them, and gives each its own back-off and end.

Any number of nodes run the same jobs. A row is worked on at least once: by whoever claims it, and by another when that
one dies. A row that fails is tried again with growing pauses while the others go on, and is set aside in the end.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import monotonic
from typing import Any

import structlog
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from domain.errors import Code, DomainError
from domain.times import whole_milliseconds
from handlers.jobs import Job, Postponed, WakeUps
from server.observability.metrics import MetricSource
from store.backoff import ExponentialBackoff
from store.concurrency import Tasks, cancelled
from store.failures import is_transient
from store.work_queue import DueRows, WorkBacklog, WorkRow

log = structlog.get_logger("durable work")

# Five reads of each job that has rows, and none while a node starts.
BACKLOG_SECONDS = 60.0
FIRST_BACKLOG_SECONDS = 5.0
_NOTHING_LEFT = WorkBacklog(0, None, 0)
# Work ends with this part of the lease, so that it is over before another node may begin. A claim that took more than
# the other part leaves too little.
_OF_LEASE, _OF_LEASE_TO_CLAIM = 0.9, 0.5
_RELEASE_SECONDS = 1.0
_POLL_BACKOFF = ExponentialBackoff(first=1.0, longest=5.0, jitter=(0.8, 1.2))
# So often a poll may fail because the database is away before it may be one collection's fault.
_EXCUSED_POLLS = 3
# Places of a job that one owner has when others have rows that are due: a part of so many.
_OWNERS_AT_ONCE = 4
# To look for others past 20,000 rows of one can take 100 ms.
_ALONE_SECONDS = 0.2


@dataclass(slots=True)
class JobCounters:
    attempts: int = 0
    failures: int = 0
    postponed: int = 0
    set_aside: int = 0
    in_hand: int = 0


class JobRunner:
    """The work on one job at this node."""

    def __init__(self, job: Job, clock: Callable[[], datetime], wake_ups: WakeUps | None = None) -> None:
        self.job = job
        self.counters = JobCounters()
        self.backlog = _NOTHING_LEFT
        self._clock = clock
        self._woken = (wake_ups or WakeUps()).of(job.name)
        self._places = asyncio.Semaphore(job.at_once)
        self._tasks, self._releases = Tasks(), Tasks()
        self._stopping = False
        # Rows in hand by owner; and until when nobody else is looked for, as there was nobody.
        self._owners: Counter[Any] = Counter()
        self._alone_until = 0.0

    async def next(self) -> bool:
        """Work on the next row that is due; false when there is none."""
        asked = monotonic()
        row = await self._claim()
        if row is not None:
            await self._process(row, asked)
        return row is not None

    async def run(self) -> None:
        """Until ``stop``."""
        failing = False
        await self._rest()
        while not self._stopping:
            await self._places.acquire()
            row, asked = None, monotonic()
            try:
                row = None if self._stopping else await self._claim()
            except Exception as error:
                if not failing:
                    log.warning("rows cannot be claimed", job=self.job.name, error=type(error).__name__)
                failing = True
            else:
                failing = False
            finally:
                if row is None:
                    self._places.release()
            if row is not None:
                self._tasks.spawn(self._attend_in_place(row, asked))
            else:
                await self._rest()

    def wake(self) -> None:
        """There may be rows."""
        self._woken.set()

    def stop_claiming(self) -> None:
        self._stopping = True
        self._woken.set()

    async def finish(self) -> None:
        """Return when nothing is in hand any more."""
        await self._tasks.wait()

    async def abandon(self) -> None:
        """Cancel what is in hand, and release its rows."""
        await self._tasks.stop()
        await self._releases.wait()

    async def look(self, *, has_rows: bool = True) -> None:
        """Read how much there is to do."""
        self.backlog = await self.job.queue.backlog(self._now()) if has_rows else _NOTHING_LEFT

    # --- one row ---

    async def _claim(self) -> WorkRow | None:
        """Of owners that have their share of the places in hand only what nobody else has use for."""
        queue, now, lease = self.job.queue, self._now(), self.job.lease
        share = max(1, self.job.at_once // _OWNERS_AT_ONCE)
        crowding = [owner for owner, count in self._owners.items() if count >= share]
        if crowding and monotonic() >= self._alone_until:
            row = await queue.claim(now, lease, without=crowding)
            if row is not None:
                return row
            self._alone_until = monotonic() + _ALONE_SECONDS
        return await queue.claim(now, lease)

    async def _attend_in_place(self, row: WorkRow, asked: float) -> None:
        try:
            await self._process(row, asked)
        finally:
            self._places.release()

    async def _process(self, row: WorkRow, asked: float) -> None:
        """``asked``: when it was claimed, by the monotonic clock. Its lease is as old as that, not as the answer."""
        job, queue = self.job, self.job.queue
        lease, took = job.lease.total_seconds(), monotonic() - asked
        if took > _OF_LEASE_TO_CLAIM * lease:
            self.counters.postponed += 1
            await self._note(queue.release(row))
            return
        self.counters.attempts += 1
        self.counters.in_hand += 1
        if row.owner is not None:
            self._owners[row.owner] += 1
        try:
            if row.faults > job.attempts:
                # Each time whoever worked on it died of it, or could not even record the outcome.
                await self._set_aside(row, "LeaseExpired")
                return
            async with asyncio.timeout(_OF_LEASE * lease - took):
                await job.work(row)
        except asyncio.CancelledError:
            if _is_cancelled():
                # In a task of its own: this one is cancelled until it has ended.
                self._releases.spawn(self._release(row))
                raise
            await self._failed(row, "CancelledError")
        except Exception as error:
            if _is_excused(error):
                self.counters.postponed += 1
                await self._note(queue.postpone(row, self._after_pause(row, excused=True)))
            else:
                await self._failed(row, type(error).__name__)
        else:
            await self._note(queue.complete(row))
        finally:
            self.counters.in_hand -= 1
            if row.owner is not None:
                self._owners[row.owner] -= 1
                if not self._owners[row.owner]:
                    del self._owners[row.owner]

    async def _release(self, row: WorkRow) -> None:
        with suppress(Exception):
            await asyncio.wait_for(self.job.queue.release(row), _RELEASE_SECONDS)

    async def _failed(self, row: WorkRow, error: str) -> None:
        self.counters.failures += 1
        if row.faults >= self.job.attempts:
            await self._set_aside(row, error)
            return
        if row.faults == 1:
            log.warning("a row failed and is tried again", job=self.job.name, row=str(row.id), error=error)
        await self._note(self.job.queue.retry(row, self._after_pause(row, excused=False), error))

    async def _set_aside(self, row: WorkRow, error: str) -> None:
        self.counters.set_aside += 1
        log.error("a row is set aside", job=self.job.name, row=str(row.id), error=error, attempts=row.attempts)
        await self._note(self.job.queue.set_aside(row, self._now(), error))

    async def _note(self, noting: Awaitable[None]) -> None:
        """What cannot be noted needs no mending: the claim runs out, and the row is tried again."""
        try:
            await noting
        except Exception as error:
            log.warning("the end of an attempt cannot be noted", job=self.job.name, error=type(error).__name__)

    def _after_pause(self, row: WorkRow, *, excused: bool) -> datetime:
        pause = self.job.backoff.pause(row.attempts, excused=excused)
        return whole_milliseconds(self._clock() + pause)

    async def _rest(self) -> None:
        """Until there may be rows."""
        if not self._stopping:
            await self._woken.wait()
        self._woken.clear()

    def _now(self) -> datetime:
        return whole_milliseconds(self._clock())


class Runner:
    """All jobs of a node. ``start`` inside the running loop, then ``stop``."""

    def __init__(self, jobs: Sequence[Job], clock: Callable[[], datetime], wake_ups: WakeUps | None = None) -> None:
        assert len({job.name for job in jobs}) == len(jobs), "two jobs have one name"
        self._runners = [JobRunner(job, clock, wake_ups) for job in jobs]
        self._clock = clock
        self._due = DueRows({job.name: job.queue for job in jobs})
        self._claiming: list[asyncio.Task[None]] = []
        self._polling: asyncio.Task[None] | None = None
        self._looking: asyncio.Task[None] | None = None

    def start(self) -> None:
        loop = asyncio.get_running_loop()
        self._claiming = [loop.create_task(runner.run(), name=runner.job.name) for runner in self._runners]
        self._polling = loop.create_task(self._poll())
        self._looking = loop.create_task(self._look())

    async def stop(self, seconds: float) -> None:
        """Claim nothing more, finish what is in hand within so many seconds, and release the rest."""
        for runner in self._runners:
            runner.stop_claiming()
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await asyncio.gather(*self._claiming)
                await asyncio.gather(*(runner.finish() for runner in self._runners))
        await cancelled([*self._claiming, self._polling, self._looking])
        await asyncio.gather(*(runner.abandon() for runner in self._runners))

    @property
    def in_hand(self) -> int:
        """Rows that this node works on."""
        return sum(runner.counters.in_hand for runner in self._runners)

    async def _poll(self) -> None:
        """Wake each job that has rows which nobody woke it for: made by another node, left by one, or due by now."""
        polls = {runner.job.name: runner.job.poll.total_seconds() for runner in self._runners}
        next_at = dict.fromkeys(polls, monotonic())
        failures = 0
        while True:
            await asyncio.sleep(min(next_at.values()) - monotonic())
            now = monotonic()
            # Jobs whose poll is near go along, so that most polls are one.
            asked = [name for name, poll in polls.items() if next_at[name] <= now + poll / 3]
            try:
                due = await self._due.names(asked, whole_milliseconds(self._clock()))
            except Exception as error:
                if not failures:
                    log.warning("due rows cannot be looked for", error=type(error).__name__)
                failures += 1
                if _is_excused(error):
                    await asyncio.sleep(_POLL_BACKOFF.pause(failures))
                    if failures < _EXCUSED_POLLS:
                        continue
                # No collection that cannot be read may be in the way of the others: each job sees for itself.
                due = set(asked)
            else:
                failures = 0
            for runner in self._runners:
                if runner.job.name in due:
                    runner.wake()
            now, jitter = monotonic(), random.uniform(0.8, 1.2)
            next_at |= {name: now + polls[name] * jitter for name in asked}

    async def _look(self) -> None:
        pause = FIRST_BACKLOG_SECONDS
        while True:
            for runner in self._runners:
                await _logged(runner.job, runner.job.queue.date_undated())
            await asyncio.sleep(pause * random.uniform(0.8, 1.2))
            try:
                with_backlog = await self._due.with_backlog(whole_milliseconds(self._clock()))
            except Exception:
                # Which collection cannot be read each job sees for itself.
                with_backlog = {runner.job.name for runner in self._runners}
            for runner in self._runners:
                await _logged(runner.job, runner.look(has_rows=runner.job.name in with_backlog))
            pause = BACKLOG_SECONDS

    def metrics(self) -> MetricSource:
        """Depth, age of the oldest and dead rows are the whole deployment's, the rest is this node's."""

        def read() -> Iterable[Metric]:
            now = self._clock()
            yield self._gauge("spotter_work_rows", "Rows to be worked on.", lambda r: r.backlog.waiting)
            yield self._gauge(
                "spotter_work_oldest_seconds",
                "How long the first of them has been due.",
                lambda r: max(0.0, (now - (r.backlog.oldest or now)) / timedelta(seconds=1)),
            )
            yield self._gauge("spotter_work_dead", "Rows that were set aside.", lambda r: r.backlog.dead)
            yield self._gauge("spotter_work_in_hand", "Rows this node works on.", lambda r: r.counters.in_hand)
            yield self._counter("spotter_work_attempts", "Rows claimed.", lambda r: r.counters.attempts)
            yield self._counter("spotter_work_failures", "Attempts that failed.", lambda r: r.counters.failures)
            yield self._counter(
                "spotter_work_postponed", "Attempts that something else was to blame for.",
                lambda r: r.counters.postponed,
            )  # fmt: skip
            yield self._counter("spotter_work_set_aside", "Rows given up.", lambda r: r.counters.set_aside)

        return read

    def _gauge(self, name: str, help_text: str, value: Callable[[JobRunner], float]) -> Metric:
        family = GaugeMetricFamily(name, help_text, labels=("job",))
        for runner in self._runners:
            family.add_metric([runner.job.name], value(runner))
        return family

    def _counter(self, name: str, help_text: str, value: Callable[[JobRunner], float]) -> Metric:
        family = CounterMetricFamily(name, help_text, labels=("job",))
        for runner in self._runners:
            family.add_metric([runner.job.name], value(runner))
        return family


async def _logged(job: Job, reading: Awaitable[None]) -> None:
    try:
        await reading
    except Exception as error:
        log.warning("the backlog cannot be read", job=job.name, error=type(error).__name__)


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _is_excused(error: Exception) -> bool:
    if isinstance(error, DomainError):
        return error.code is Code.UNAVAILABLE
    return isinstance(error, Postponed) or is_transient(error)
