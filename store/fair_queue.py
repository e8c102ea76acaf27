"""Who is next at what is scarce: fairly by site, in each by network, and in that by owner."""

from __future__ import annotations

from dataclasses import dataclass
from heapq import heapify, heappop, heappush, nlargest
from operator import itemgetter
from typing import Generic, TypeVar

from domain.networks import site_of

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


class _Owner(Generic[V]):
    __slots__ = ("at_work", "backlogs")

    def __init__(self) -> None:
        self.at_work = 0
        # By network: an owner may come from several.
        self.backlogs: dict[str, Backlog[V]] = {}


class _Site(Generic[V]):
    __slots__ = ("at_work", "name", "present", "ready")

    def __init__(self, name: str) -> None:
        self.name = name
        self.at_work = 0
        self.present = 0
        # Networks that have a backlog whose first may begin.
        self.ready: _Order[_Network[V]] = _Order()


class _Network(Generic[V]):
    __slots__ = ("at_work", "name", "present", "ready", "site")

    def __init__(self, name: str, site: _Site[V]) -> None:
        self.name = name
        self.site = site
        self.at_work = 0
        self.present = 0
        # Backlogs whose first may begin.
        self.ready: _Order[Backlog[V]] = _Order()


class Backlog(Generic[V]):
    """What one owner has waiting in one network."""

    __slots__ = ("network", "owner", "owner_name", "present", "waiting")

    def __init__(self, owner_name: str, owner: _Owner[V], network: _Network[V]) -> None:
        self.owner_name = owner_name
        self.owner = owner
        self.network = network
        self.present = 0
        self.waiting: dict[V, None] = {}


@dataclass(frozen=True, slots=True)
class Turn(Generic[V]):
    """That of ``what``, until it is ended; ``expected``: what it is charged at first."""

    backlog: Backlog[V]
    what: V
    expected: float


class FairQueue(Generic[V]):
    """``of_one`` of an owner at a time, ``of_network`` of a network's and of a site's, ``of_all`` of everybody's.

    The others wait: next is the site that has had the least time of turns, in it the network and in that the owner who
    has, so that whoever comes with much, from however many networks of a site, waits for himself. With ``of_network``
    below ``of_all`` a network that is quiet finds a free turn beside a greedy one. It keeps the order and waits for
    nothing; what waits is told apart by its hash.
    """

    def __init__(self, of_one: int, of_all: int, of_network: int | None = None) -> None:
        self._of_one = of_one
        self._of_network = of_all if of_network is None else of_network
        self._of_all = of_all
        self._turn_seconds = 0.0
        self._owners: dict[str, _Owner[V]] = {}
        self._networks: dict[str, _Network[V]] = {}
        self._sites: dict[str, _Site[V]] = {}
        # Sites that have a network that may begin.
        self._ready: _Order[_Site[V]] = _Order()
        self._present = 0
        self._at_work = 0
        self._given = 0

    @property
    def is_idle(self) -> bool:
        return not self._present

    @property
    def seconds_for_all(self) -> float:
        """In how long all who are here would have had their turns."""
        return self._present * self._turn_seconds / self._of_all

    def add(self, what: V, owner_name: str, network_name: str = "") -> Backlog[V]:
        """It waits from now on: see ``begin``."""
        owner = self._owners.setdefault(owner_name, _Owner())
        backlog = owner.backlogs.get(network_name)
        if backlog is None:
            network = self._networks.get(network_name)
            if network is None:
                site_name = site_of(network_name)
                site = self._sites.setdefault(site_name, _Site(site_name))
                network = self._networks[network_name] = _Network(network_name, site)
            backlog = owner.backlogs[network_name] = Backlog(owner_name, owner, network)
        backlog.present += 1
        backlog.network.present += 1
        backlog.network.site.present += 1
        self._present += 1
        backlog.waiting[what] = None
        self._arrange(backlog)
        return backlog

    def discard(self, backlog: Backlog[V], what: V) -> bool:
        """It waits no more; false when it has been given its turn, which has to be ended then."""
        if what not in backlog.waiting:
            return False
        del backlog.waiting[what]
        self._arrange(backlog)
        self._leave(backlog)
        return True

    def begin(self) -> Turn[V] | None:
        """Give the next its turn, if there is one for anybody now."""
        if not self._ready or self._at_work >= self._of_all:
            return None
        expected = _cost(self._turn_seconds)
        network = self._ready.pop(expected).ready.pop(expected)
        backlog = network.ready.pop(expected)
        what = next(iter(backlog.waiting))
        del backlog.waiting[what]
        self._count(backlog, 1)
        self._forget_past()
        return Turn(backlog, what, expected)

    def end(self, turn: Turn[V], seconds: float | None) -> None:
        """It took so long; ``None``: it was given in vain. Others may begin now."""
        backlog, correction = turn.backlog, 0.0
        if seconds is not None:
            self._turn_seconds += (seconds - self._turn_seconds) / 8
            correction = _cost(seconds) - turn.expected
        self._ready.correct(backlog.network.site.name, correction)
        backlog.network.site.ready.correct(backlog.network.name, correction)
        backlog.network.ready.correct(backlog.owner_name, correction)
        self._count(backlog, -1)
        self._leave(backlog)

    def _leave(self, backlog: Backlog[V]) -> None:
        self._present -= 1
        backlog.present -= 1
        backlog.network.present -= 1
        backlog.network.site.present -= 1
        if not backlog.present:
            del backlog.owner.backlogs[backlog.network.name]
            if not backlog.owner.backlogs:
                del self._owners[backlog.owner_name]
        if not self._present:
            # Nobody had to wait for anybody: what was is over.
            self._networks.clear()
            self._sites.clear()
            self._ready = _Order()

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
        for name, site in list(self._sites.items()):
            site.ready.forget_past()
            if not site.present:
                del self._sites[name]

    def _count(self, backlog: Backlog[V], by: int) -> None:
        self._at_work += by
        backlog.network.at_work += by
        backlog.network.site.at_work += by
        backlog.owner.at_work += by
        for each in backlog.owner.backlogs.values():
            self._arrange(each)
        self._arrange_network(backlog.network)

    def _arrange(self, backlog: Backlog[V]) -> None:
        if backlog.waiting and backlog.owner.at_work < self._of_one:
            backlog.network.ready.add(backlog.owner_name, backlog)
        else:
            backlog.network.ready.discard(backlog.owner_name)
        self._arrange_network(backlog.network)

    def _arrange_network(self, network: _Network[V]) -> None:
        site = network.site
        if network.ready and network.at_work < self._of_network:
            site.ready.add(network.name, network)
        else:
            site.ready.discard(network.name)
        if site.ready and site.at_work < self._of_network:
            self._ready.add(site.name, site)
        else:
            self._ready.discard(site.name)


def _cost(seconds: float) -> float:
    return min(_MOST_COST, max(_LEAST_COST, seconds))
