"""How long a command may still take: one budget from its arrival, carried in the context to whatever it waits for.

The edges (REST, sockets) begin a budget and answer ``unavailable`` when it has run out, whatever the command still
waits for. Below them it bounds each operation of the driver (``store/threads.py``), the wait for a place in a
conversation's queue, for a claim, for a conflict to pass. Nothing is cancelled: a write that was submitted has an
unknown outcome, and what waits for the driver ends with the driver's own time-out.
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from contextvars import Context, ContextVar, copy_context
from time import monotonic

from domain.errors import unavailable

BUDGET_SECONDS = 10.0


def stream_budget(owner: str, network: str, *, bulk: bool = False, before: float = math.inf) -> Budget:
    """Of what takes as long as its content needs: each operation of ours is bounded, the whole is not. ``before``: the
    seconds for what comes before ``Budget.streamed``."""
    return Budget(owner, network, bulk=bulk, seconds=before, each=BUDGET_SECONDS)


def _never() -> bool:
    return False


class Budget:
    """``owner`` is whose command it is; the reads of a ``bulk`` one wait in a queue of their own, user by user.

    ``abandoned``: whether whoever gave the command has gone. Once ``over`` the budget bounds nothing any more:
    tasks and timers that a command left behind inherit its context.
    """

    __slots__ = ("_deadline", "_each", "abandoned", "bulk", "network", "over", "owner")

    def __init__(
        self,
        owner: str = "",
        network: str = "",
        *,
        bulk: bool = False,
        seconds: float = BUDGET_SECONDS,
        each: float = math.inf,
    ) -> None:
        """``seconds`` for all, and of those at most ``each`` for one operation, from when it begins."""
        self._each = each
        self._deadline = monotonic() + seconds
        self.owner = owner
        # Whence it came, where that is known: what is shared by network is shared by this.
        self.network = network
        self.bulk = bulk
        self.abandoned: Callable[[], bool] = _never
        self.over = False

    def end(self) -> None:
        """The command has ended; contexts that it left behind must not hold on to who gave it."""
        self.over = True
        self.abandoned = _never

    def remaining(self) -> float:
        """Seconds; 0 or less when it has run out."""
        return min(self._deadline - monotonic(), self._each)

    def deadline(self, now: float, seconds: float) -> float:
        return min(self._deadline, now + min(self._each, seconds))

    async def streamed(self, content: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """Once it is begun, only each operation is bounded."""
        self._deadline = math.inf
        async for chunk in content:
            yield chunk

    @contextmanager
    def paused(self) -> Iterator[None]:
        """What passes here is the client's own time."""
        began, deadline = monotonic(), self._deadline
        self._deadline = math.inf
        try:
            yield
        finally:
            self._deadline = deadline + (monotonic() - began)


_current: ContextVar[Budget | None] = ContextVar("command_budget", default=None)


def begin(budget: Budget) -> None:
    """From here on in this task, and in what it starts, until the budget is over."""
    _current.set(budget)


def current() -> Budget | None:
    budget = _current.get()
    return None if budget is None or budget.over else budget


def remaining() -> float:
    """Seconds that the command at work here may still take; without one, as many as it likes."""
    budget = _current.get()
    return math.inf if budget is None or budget.over else budget.remaining()


def deadline(now: float, seconds: float) -> float:
    """The instant by the monotonic clock until which one operation may take: ``seconds`` from now, or the budget's."""
    budget = _current.get()
    if budget is None or budget.over:
        return now + seconds
    return budget.deadline(now, seconds)


def require_time() -> None:
    """Raises ``unavailable`` when the budget has run out: who waited in a queue need not begin any more."""
    if remaining() <= 0:
        raise unavailable()


def require_asker() -> None:
    """Before a read that changes nothing: raises ``unavailable`` when nobody waits for its answer any more."""
    require_time()
    budget = current()
    if budget is not None and budget.abandoned():
        raise unavailable()


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    """At most so long for each operation that is awaited here, its wait for a thread not counted."""
    outer = current() or Budget(seconds=math.inf)
    with within(Budget(outer.owner, outer.network, bulk=outer.bulk, seconds=outer.remaining(), each=seconds)):
        yield


@contextmanager
def extended(seconds: float) -> Iterator[None]:
    """So long for what has to be cleaned up, even when the command's own time has run out."""
    with within(Budget(seconds=seconds)):
        yield


@contextmanager
def within(budget: Budget) -> Iterator[None]:
    """The budget for what is awaited here."""
    token = _current.set(budget)
    try:
        yield
    finally:
        budget.over = True
        _current.reset(token)


def no_budget() -> Context:
    """The context as it is here, but nobody's command: for work that serves many."""
    context = copy_context()
    context.run(_current.set, None)
    return context


def shared_work(seconds: float) -> Context:
    """As ``no_budget``, but each operation of the driver has so long: many wait for it, and of a connection that
    has stalled the driver itself learns after 20 s (``socketTimeoutMS``)."""
    context = no_budget()
    context.run(begin, Budget(seconds=math.inf, each=seconds))
    return context
