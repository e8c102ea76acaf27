"""The queue before the threads that hash passwords: fair by site and network, and refused at once what cannot be in
time.

It is no ``FairQueue``, in which whoever waits long enough has a turn: it has so many places, whose holders give way to
quieter networks, and says in advance how long one would wait.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from time import monotonic
from typing import Any, TypeVar, cast

from domain.errors import rate_limited, unavailable
from domain.networks import site_of
from store import command_budget
from store.command_budget import Budget

T = TypeVar("T")

# Before the first hash was measured.
_FIRST_GUESS_SECONDS = 0.1


@dataclass(slots=True, eq=False)
class _Job:
    work: Callable[[], Any]
    network: str
    budget: Budget | None
    answer: asyncio.Future[Any]

    @property
    def is_wanted(self) -> bool:
        return not self.answer.done() and (self.budget is None or self.budget.remaining() > 0)


class _Site:
    """What waits of one site, by network: these take turns in it."""

    __slots__ = ("count", "networks")

    def __init__(self) -> None:
        self.count = 0
        self.networks: OrderedDict[str, deque[_Job]] = OrderedDict()

    def add(self, job: _Job) -> None:
        self.networks.setdefault(job.network, deque()).append(job)
        self.count += 1

    def pop(self) -> _Job:
        network, jobs = self.networks.popitem(last=False)
        job = jobs.popleft()
        self.count -= 1
        if jobs:
            self.networks[network] = jobs
        return job

    def of(self, network: str) -> int:
        return len(self.networks.get(network, ()))

    def before(self, network: str) -> int:
        """How many have their turns before one more of the network: each of the others has one for each of its own."""
        own = self.of(network)
        return own + sum(min(own + 1, len(jobs)) for name, jobs in self.networks.items() if name != network)

    def pop_newest(self, most: int) -> _Job | None:
        """Of the network that has the most waiting, if that are more than ``most``."""
        greediest = max(self.networks, key=lambda name: len(self.networks[name]))
        jobs = self.networks[greediest]
        if len(jobs) <= most:
            return None
        job = jobs.pop()
        self.count -= 1
        if not jobs:
            del self.networks[greediest]
        return job


class HashQueue:
    """``threads`` jobs at a time and ``waiting`` more, one site after the other, and in each one network.

    When all places are taken, a site that has fewer waiting takes the newest of the one that has the most, and so does
    a network in its site: whoever asks for much never keeps a quiet one out.
    """

    def __init__(self, threads: int, waiting: int) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="argon2")
        self._threads = threads
        self._most_waiting = waiting
        self._waiting: OrderedDict[str, _Site] = OrderedDict()
        self._count = 0
        self._seconds = _FIRST_GUESS_SECONDS
        self.at_work = 0

    async def run(self, work: Callable[[], T]) -> T:
        """On behalf of the network of the current budget.

        Raises ``rate_limited`` when that network's own queue is too long for the budget, ``unavailable`` when
        everybody's is, or when the place went to a network that is quieter.
        """
        budget = command_budget.current()
        network = "" if budget is None else budget.network
        job = _Job(work, network, budget, asyncio.get_running_loop().create_future())
        if self.at_work < self._threads:
            self._start(job)
        else:
            self._admit(job)
        return cast(T, await job.answer)

    def close(self) -> None:
        """What runs is finished; what waits is refused."""
        for site in self._waiting.values():
            while site.count:
                _refuse(site.pop(), unavailable())
        self._waiting.clear()
        self._count = 0
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _admit(self, job: _Job) -> None:
        name = site_of(job.network)
        site = self._waiting.get(name) or _Site()
        before = site.before(job.network)
        # Each of the other sites is served once for each of one's own, as long as it has something.
        others = sum(min(before + 1, other.count) for key, other in self._waiting.items() if key != name)
        wait = (before + others + 1) * self._seconds / self._threads
        if job.budget is not None and wait + self._seconds > job.budget.remaining():
            if site.of(job.network) and job.network:
                raise rate_limited("Too many sign-ins at once", wait * 1000)
            raise unavailable("Too many sign-ins at once; try again.")
        if self._count >= self._most_waiting and not self._made_room(site, job.network):
            raise unavailable("Too many sign-ins at once; try again.")
        self._waiting.setdefault(name, site).add(job)
        self._count += 1

    def _made_room(self, site: _Site, network: str) -> bool:
        if not self._waiting:
            return False
        greediest = max(self._waiting, key=lambda name: self._waiting[name].count)
        if self._waiting[greediest].count > site.count + 1:
            job = self._waiting[greediest].pop_newest(0)
        else:
            job = site.pop_newest(site.of(network) + 1) if site.count else None
        if job is None:
            return False
        _refuse(job, unavailable("Too many sign-ins at once; try again."))
        self._count -= 1
        return True

    def _start(self, job: _Job) -> None:
        loop, seconds = asyncio.get_running_loop(), 0.0

        def timed() -> Any:
            nonlocal seconds
            began = monotonic()
            try:
                return job.work()
            finally:
                seconds = monotonic() - began

        def done(future: Future[Any]) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(self._finished, job, future, seconds)

        # Counted until the thread is done, not until the caller loses interest.
        self.at_work += 1
        self._pool.submit(timed).add_done_callback(done)

    def _finished(self, job: _Job, future: Future[Any], seconds: float) -> None:
        self.at_work -= 1
        if future.cancelled():
            _refuse(job, unavailable())
            return
        self._seconds += (seconds - self._seconds) / 8
        if (error := future.exception()) is not None:
            _refuse(job, error)
        elif not job.answer.done():
            job.answer.set_result(future.result())
        self._start_next()

    def _start_next(self) -> None:
        while self._waiting and self.at_work < self._threads:
            name, site = self._waiting.popitem(last=False)
            job = site.pop()
            self._count -= 1
            if site.count:
                self._waiting[name] = site
            if job.is_wanted:
                self._start(job)
            else:
                # Whoever waited too long has been answered.
                _refuse(job, unavailable())


def _refuse(job: _Job, error: BaseException) -> None:
    if not job.answer.done():
        job.answer.set_exception(error)
