"""Room for what is counted in bytes: bounds for each owner, each site and for all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from domain.networks import site_of


class FairSpace:
    """``of_one`` for an owner, ``of_all`` for everybody; a network, of IPv6 its site, has at most as much as is then
    still free.

    So one that takes all it can get leaves half, two leave a third: a quiet network finds room. ``refused`` makes the
    error for whoever finds none.
    """

    def __init__(self, of_one: int, of_all: int, refused: Callable[[], Exception]) -> None:
        self._of_one = of_one
        self._of_all = of_all
        self._refused = refused
        self._of_owners: Counter[str] = Counter()
        self._of_sites: Counter[str] = Counter()
        self.taken = 0

    def take(self, owner: str, network: str, amount: int) -> None:
        """To be given back by ``give_back``; raises what ``refused`` makes, and takes nothing then."""
        site = site_of(network)
        of_site = self._of_sites[site] + amount
        if self._of_owners[owner] + amount > self._of_one or of_site > self._of_all - self.taken - amount:
            self._forget_empty(owner, site)
            raise self._refused()
        self._of_owners[owner] += amount
        self._of_sites[site] = of_site
        self.taken += amount

    def give_back(self, owner: str, network: str, amount: int) -> None:
        site = site_of(network)
        self._of_owners[owner] -= amount
        self._of_sites[site] -= amount
        self.taken -= amount
        self._forget_empty(owner, site)

    def _forget_empty(self, owner: str, site: str) -> None:
        if not self._of_owners[owner]:
            del self._of_owners[owner]
        if not self._of_sites[site]:
            del self._of_sites[site]
