"""How much of something each network has at a time, and the site that it belongs to."""

from __future__ import annotations

from collections import Counter

from domain.networks import NETWORKS_OF_SITE, site_of


class NetworkCounts:
    """``most``: of a network; a site has ``NETWORKS_OF_SITE`` times as much. None: as much as they like."""

    def __init__(self, most: int | None) -> None:
        self.most = most
        self._of_networks: Counter[str] = Counter()
        self._of_sites: Counter[str] = Counter()

    def __len__(self) -> int:
        """How many networks have something."""
        return len(self._of_networks)

    def is_full(self, network: str) -> bool:
        """Whether it has all that it may have, or its site has."""
        if self.most is None:
            return False
        if self._of_networks[network] >= self.most:
            return True
        site = site_of(network)
        return site != network and self._of_sites[site] >= NETWORKS_OF_SITE * self.most

    def add(self, network: str) -> None:
        """One more."""
        self._of_networks[network] += 1
        if (site := site_of(network)) != network:
            self._of_sites[site] += 1

    def remove(self, network: str) -> None:
        """One less."""
        _less(self._of_networks, network)
        if (site := site_of(network)) != network:
            _less(self._of_sites, site)


def _less(counts: Counter[str], key: str) -> None:
    counts[key] -= 1
    if not counts[key]:
        del counts[key]
