"""What images may cost: a budget of a decoder's seconds for each account and each network, which refills."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic

from domain.bounded_map import BoundedMap
from domain.errors import rate_limited
from domain.networks import NETWORKS_OF_SITE


@dataclass(frozen=True, slots=True)
class Allowance:
    """``seconds`` at once, and ``per_second`` in the long run."""

    seconds: float
    per_second: float


# A photo of a phone takes a quarter of a second. In the long run an account has a tenth of a decoder, a network half a
# one.
OF_ACCOUNT, OF_NETWORK = Allowance(30.0, 0.1), Allowance(120.0, 0.5)
# All networks of an IPv6 site together.
OF_SITE = Allowance(NETWORKS_OF_SITE * OF_NETWORK.seconds, NETWORKS_OF_SITE * OF_NETWORK.per_second)
# Whoever has used it up waits until there is as much again as one image may take.
_LEAST_SECONDS = 3.0
_MOST_REMEMBERED = 100_000


class DecoderSeconds:
    """What each has left; whoever is not remembered has all. ``scale`` multiplies the allowance.

    Other than the tokens of commands (``server/sockets/rows.py``) these are charged when the work is over and its cost
    known, and may be overdrawn.
    """

    def __init__(self, allowance: Allowance, scale: float = 1.0, clock: Callable[[], float] = monotonic) -> None:
        self._most = allowance.seconds * scale
        self._per_second = allowance.per_second * scale
        self._clock = clock
        self._left: BoundedMap[str, tuple[float, float]] = BoundedMap(_MOST_REMEMBERED)

    def require(self, key: str) -> None:
        """Raises ``rate_limited`` when nothing is left."""
        left = self._now(key)
        if left <= 0:
            wait = 1000 * (_LEAST_SECONDS - left) / self._per_second
            raise rate_limited("Your images have taken too long to decode", wait)

    def charge(self, key: str, seconds: float) -> None:
        """What is at work already may take more than is left."""
        self._left[key] = self._now(key) - seconds, self._clock()

    def _now(self, key: str) -> float:
        left, at = self._left.get(key, (self._most, 0.0))
        return min(self._most, left + (self._clock() - at) * self._per_second)
