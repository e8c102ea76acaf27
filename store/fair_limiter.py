"""Turns at what is scarce, shared fairly by network and by owner."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from heapq import heapify, heappop, heappush, nlargest
from operator import itemgetter
from time import monotonic
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")

# Of what a turn took: less counts as this much, and more too.
_LEAST_COST, _MOST_COST = 0.001, 30.0
_FORGET_EVERY, _MOST_REMEMBERED = 1000, 10_000


class _Order(Generic[V]):
    """Who is next: whoever has had the least time (start-time fair queueing, Goyal, Vin and Cheng 1996).

    Each turn begins at a virtual time: that of the last turn given, or where one's own turns so far end if that is
    later. So who was not there gains nothing by it, and who has had much waits for those who have not.
    """

    def __init__(self) -> None:
        self._now = 0.0
        self._ends: dict[str, float] = {}
        self._heap: list[tuple[float, int, str]] = []
        self._ready: dict[str, tuple[int, V]] = {}
        self._count = 0

    def __bool__(self) -> bool:
        return bool(self._ready)

    def add(self, key: str, value: V) -> None:
        if key not in self._ready:
            self._count += 1
            self._ready[key] = self._count, value
            heappush(self._heap, (max(self._now, self._ends.get(key, 0.0)), self._count, key))
            if len(self._heap) > 2 * len(self._ready) + _FORGET_EVERY:
                # Those who left without a turn.
                self._heap = [one for one in self._heap if self._is_ready(one)]
                heapify(self._heap)

    def discard(self, key: str) -> None:
        if self._ready.pop(key, None) is not None and not self._ready:
            self._heap.clear()

    def pop(self, cost: float) -> V:
        """The next; ``cost`` is what its turn is expected to take."""
        while True:
            first = heappop(self._heap)
            if self._is_ready(first):
                start, _, key = first
                self._now = max(self._now, start)
                self._ends[key] = self._now + cost
                return self._ready.pop(key)[1]

    def _is_ready(self, entry: tuple[float, int, str]) -> bool:
        known = self._ready.get(entry[2])
        return known is not None and known[0] == entry[1]

    def correct(self, key: str, by: float) -> None:
        """A turn took so much more, or less, than was expected."""
        self._ends[key] = self._ends.get(key, self._now) + by

    def forget_past(self) -> None:
        """What no longer makes a difference."""
        left = {key: end for key, end in self._ends.items() if end > self._now}
        if len(left) > _MOST_REMEMBERED:
            # Those who have had the most make the most difference.
            left = dict(nlargest(_MOST_REMEMBERED, left.items(), key=itemgetter(1)))
        self._ends = left


class _Owner:
    __slots__ = ("at_work", "lines")

    def __init__(self) -> None:
        self.at_work = 0
        # By network: an owner may come from several.
        self.lines: dict[str, _Line] = {}


class _Network:
    __slots__ = ("at_work", "name", "present", "ready")

    def __init__(self, name: str) -> None:
        self.name = name
        self.at_work = 0
        self.present = 0
        # Lines whose first may begin.
        self.ready: _Order[_Line] = _Order()


class _Line:
    """What one owner has waiting in one network."""

    __slots__ = ("network", "owner", "owner_name", "present", "waiting")

    def __init__(self, owner_name: str, owner: _Owner, network: _Network) -> None:
        self.owner_name = owner_name
        self.owner = owner
        self.network = network
        self.present = 0
        self.waiting: dict[asyncio.Future[float], None] = {}


class FairLimiter:
    """``of_one`` of an owner at a time, ``of_network`` of a network's, ``of_all`` of everybody's.

    The others wait: next is the network that has had the least time of turns, and in it the owner who has, so that
    whoever comes with much waits for himself. With ``of_network`` below ``of_all`` a network that is quiet finds a free
    turn beside a greedy one. ``refused`` makes the error for whoever waits too long; it is told in how many seconds all
    who wait would have had their turns.
    """

    def __init__(
        self, of_one: int, of_all: int, refused: Callable[[float], Exception], of_network: int | None = None
    ) -> None:
        self._of_one = of_one
        self._of_network = of_all if of_network is None else of_network
        self._of_all = of_all
        self._refused = refused
        self._turn_seconds = 0.0
        self._owners: dict[str, _Owner] = {}
        self._networks: dict[str, _Network] = {}
        # Networks that have a line whose first may begin.
        self._ready: _Order[_Network] = _Order()
        self._present = 0
        self._at_work = 0
        self._given = 0

    @asynccontextmanager
    async def turn(self, owner: str, patience: float, network: str = "") -> AsyncIterator[None]:
        """Wait for a turn, ``patience`` seconds at most, and keep it until left."""
        line = self._come(owner, network)
        try:
            expected = await self._taken(line, patience)
            began = monotonic()
            try:
                yield
            finally:
                took = monotonic() - began
                self._turn_seconds += (took - self._turn_seconds) / 8
                self._give_back(line, _cost(took) - expected)
        finally:
            self._leave(line)

    def _come(self, owner_name: str, network_name: str) -> _Line:
        owner = self._owners.setdefault(owner_name, _Owner())
        line = owner.lines.get(network_name)
        if line is None:
            network = self._networks.setdefault(network_name, _Network(network_name))
            line = owner.lines[network_name] = _Line(owner_name, owner, network)
        line.present += 1
        line.network.present += 1
        self._present += 1
        return line

    def _leave(self, line: _Line) -> None:
        self._present -= 1
        line.present -= 1
        line.network.present -= 1
        if not line.present:
            del line.owner.lines[line.network.name]
            if not line.owner.lines:
                del self._owners[line.owner_name]
        if not self._present:
            # Nobody had to wait for anybody: what was is over.
            self._networks.clear()
            self._ready = _Order()

    async def _taken(self, line: _Line, patience: float) -> float:
        """What the turn is expected to cost."""
        mine: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        line.waiting[mine] = None
        self._arrange(line)
        self._begin_next()
        try:
            async with asyncio.timeout(None if patience == math.inf else patience):
                return await mine
        except BaseException as error:
            if mine in line.waiting:
                del line.waiting[mine]
                self._arrange(line)
            else:
                # It was given in the moment in which the wait ended.
                self._give_back(line, 0.0)
            if isinstance(error, TimeoutError):
                raise self._refused(self._present * self._turn_seconds / self._of_all) from None
            raise

    def _give_back(self, line: _Line, more_than_expected: float) -> None:
        self._ready.correct(line.network.name, more_than_expected)
        line.network.ready.correct(line.owner_name, more_than_expected)
        self._count(line, -1)
        self._begin_next()

    def _begin_next(self) -> None:
        while self._ready and self._at_work < self._of_all:
            expected = _cost(self._turn_seconds)
            network = self._ready.pop(expected)
            line = network.ready.pop(expected)
            mine = next(iter(line.waiting))
            del line.waiting[mine]
            self._count(line, 1)
            self._forget_past()
            if not mine.done():
                mine.set_result(expected)

    def _forget_past(self) -> None:
        """Now and then, so that what is remembered stays within what was asked for lately."""
        self._given += 1
        if self._given % _FORGET_EVERY:
            return
        self._ready.forget_past()
        for name, network in list(self._networks.items()):
            network.ready.forget_past()
            if not network.present:
                del self._networks[name]

    def _count(self, line: _Line, by: int) -> None:
        self._at_work += by
        line.network.at_work += by
        line.owner.at_work += by
        for each in line.owner.lines.values():
            self._arrange(each)
        self._arrange_network(line.network)

    def _arrange(self, line: _Line) -> None:
        if line.waiting and line.owner.at_work < self._of_one:
            line.network.ready.add(line.owner_name, line)
        else:
            line.network.ready.discard(line.owner_name)
        self._arrange_network(line.network)

    def _arrange_network(self, network: _Network) -> None:
        if network.ready and network.at_work < self._of_network:
            self._ready.add(network.name, network)
        else:
            self._ready.discard(network.name)

    @property
    def is_idle(self) -> bool:
        return not self._present


class KeyedTurns(Generic[K]):
    """So many at a time for each of many keys. Owners take turns: however much one of them asks for, another waits for
    one of its turns and no more. ``refused``: as of a ``FairLimiter``."""

    def __init__(self, at_once: int, refused: Callable[[float], Exception]) -> None:
        self._at_once = at_once
        self._refused = refused
        self._limiters: dict[K, FairLimiter] = {}

    def __len__(self) -> int:
        return len(self._limiters)

    @asynccontextmanager
    async def turn(self, key: K, owner: str, patience: float) -> AsyncIterator[None]:
        """Wait for a turn of the key, ``patience`` seconds at most, and keep it until left."""
        limiter = self._limiters.get(key)
        if limiter is None:
            limiter = self._limiters[key] = FairLimiter(self._at_once, self._at_once, self._refused)
        try:
            async with limiter.turn(owner, patience):
                yield
        finally:
            if limiter.is_idle:
                self._limiters.pop(key, None)


def _cost(seconds: float) -> float:
    return min(_MOST_COST, max(_LEAST_COST, seconds))
