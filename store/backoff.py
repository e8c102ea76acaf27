"""Pauses between attempts in vain. Alone in this file: the parent of the workers imports it, and little else."""

from __future__ import annotations

import random
from dataclasses import dataclass

# Past any longest pause; 2 ** attempts of any number would be no float.
_MOST_DOUBLINGS = 30


@dataclass(frozen=True, slots=True)
class ExponentialBackoff:
    """Seconds: the first, doubled with each attempt up to the longest, and of that a random part.

    ``jitter``: the least and the most of the parts, so that those who fail together do not come back together.
    """

    first: float
    longest: float
    jitter: tuple[float, float] = (0.5, 1.0)

    def pause(self, attempt: int) -> float:
        """After so many attempts in vain, the first of which is 1."""
        doubled = self.first * 2.0 ** min(attempt - 1, _MOST_DOUBLINGS)
        return min(doubled, self.longest) * random.uniform(*self.jitter)
