"""The leases of other nodes as this one saw them last, for when Redis loses them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from domain.bounded_map import BoundedMap

# Of a far larger cluster than any, with all names that it takes while Redis comes and goes.
MOST = 10_000


def node_of(incarnation: str) -> str:
    """A node keeps it under all of its names."""
    return incarnation.partition(".")[0]


class KnownLeases:
    """Notified of each renewal: what was listed ``before`` it, then whether ours was as we had left it (``kept``), or
    Redis had gone back to an earlier state, an empty one as a rule (``lost``).

    The order makes it certain. What Redis loses is what was written last: where it has lost a lease that we saw, it has
    lost our own renewal as well, which came after. Whoever lives has a later deadline soon, under this name or another;
    who has none within ``wait_ms`` is dead. A renewal that fails may have come too late to list anybody: what was known
    before it stays.
    """

    def __init__(self, wait_ms: int, interrupted_after_ms: int, elapsed: Callable[[], float]) -> None:
        """``elapsed``: a clock in seconds that nobody sets."""
        self._wait = wait_ms / 1000
        self._interrupted_after = interrupted_after_ms / 1000
        self._elapsed = elapsed
        self._listed: Mapping[str, int] = {}
        self._known: BoundedMap[str, int] = BoundedMap(MOST)
        # With the deadline and when it was missed first.
        self._missing: BoundedMap[str, tuple[int, float]] = BoundedMap(MOST)
        self._listed_at = self._resumed = elapsed()

    @property
    def count(self) -> int:
        """Of the others that were listed last."""
        return len(self._listed)

    def before(self, listed: Mapping[str, int]) -> None:
        """The others' leases, with their deadlines."""
        now = self._elapsed()
        if now - self._listed_at > self._interrupted_after:
            # Redis was away, or we were: others may need as long to be back.
            self._resumed = now
        self._listed_at = now
        self._listed = listed
        for name, deadline in listed.items():
            self._known[name] = max(deadline, self._known.get(name, 0))
        if self._missing:
            self._find()

    def kept(self) -> None:
        self._known.clear()
        self._known.update(self._listed)

    def lost(self) -> None:
        now = self._elapsed()
        for name, deadline in self._known.items():
            self._missing.setdefault(name, (deadline, now))

    def gone(self) -> Iterator[tuple[str, int]]:
        """Those that did not come back, each once, with the last deadlines that they were seen with."""
        now = self._elapsed()
        for name, (deadline, since) in tuple(self._missing.items()):
            if now - max(since, self._resumed) >= self._wait:
                del self._missing[name]
                yield name, deadline

    def _find(self) -> None:
        latest: dict[str, int] = {}
        for name, deadline in self._listed.items():
            latest[node_of(name)] = max(deadline, latest.get(node_of(name), 0))
        for name, (deadline, _) in tuple(self._missing.items()):
            # An earlier state lists who has died since, with earlier deadlines.
            if latest.get(node_of(name), 0) > deadline:
                del self._missing[name]
