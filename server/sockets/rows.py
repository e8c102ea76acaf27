"""A row of the registry (an event, its command, its handler, how often it may come), and its token buckets.

The buckets are our own because a general limiter costs more than the command it guards; docs/decisions/0002 has the
figures. REST uses the ``limits`` library.
"""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from domain.networks import NETWORKS_OF_SITE, site_of
from domain.wire.base import Command
from handlers.access import Actor
from handlers.context import Context

Handler = Callable[[Context, Actor, Any], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Rate:
    """What one user may do: so many a second in the long run, so many at once."""

    per_second: float
    burst: int


ORDINARY = Rate(10, 40)


@dataclass(frozen=True, slots=True)
class Row:
    event: str
    command: type[Command]
    handler: Handler
    rate: Rate = ORDINARY
    # Its answer may be as large as answers get: of these a socket has one at work at a time.
    bulky: bool = False


@lru_cache(maxsize=16)
def _of_site(rate: Rate) -> Rate:
    return Rate(NETWORKS_OF_SITE * rate.per_second, NETWORKS_OF_SITE * rate.burst)


MAX_REMEMBERED = 200_000


class _Bucket:
    """How full it was, and when, by the clock."""

    __slots__ = ("at", "level")

    at: float
    level: float


class Buckets:
    """One bucket a key, full at first; the least recently used are forgotten past ``MAX_REMEMBERED``."""

    def __init__(self, scale: float = 1.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._scale = scale
        self._clock = clock
        # By hand, as a BoundedMap would cost each command more.
        self._buckets: OrderedDict[Hashable, _Bucket] = OrderedDict()

    def wait(self, key: Hashable, rate: Rate) -> int:
        """As ``take``, but takes nothing."""
        bucket = self._buckets.get(key)
        if bucket is None:
            return 0
        per_second = rate.per_second * self._scale
        level = bucket.level + (self._clock() - bucket.at) * per_second
        return 0 if level >= 1.0 else max(1, math.ceil((1.0 - level) / per_second * 1000))

    def take(self, key: Hashable, rate: Rate) -> int:
        """0 when a token was taken, else the milliseconds until there will be one."""
        now = self._clock()
        per_second, burst = rate.per_second * self._scale, rate.burst * self._scale
        if burst < 1.0:
            burst = 1.0
        bucket = self._buckets.get(key)
        if bucket is None:
            level = burst
            if len(self._buckets) >= MAX_REMEMBERED:
                self._buckets.popitem(last=False)
            bucket = self._buckets[key] = _Bucket()
        else:
            level = bucket.level + (now - bucket.at) * per_second
            if level > burst:
                level = burst
            self._buckets.move_to_end(key)
        bucket.at = now
        if level < 1.0:
            bucket.level = level
            return max(1, math.ceil((1.0 - level) / per_second * 1000))
        bucket.level = level - 1.0
        return 0

    def wait_of(self, kind: str, network: str, rate: Rate) -> int:
        """As ``take_of``, but takes nothing."""
        wait = self.wait((kind, network), rate)
        site = site_of(network)
        return wait or (0 if site == network else self.wait((kind, site), _of_site(rate)))

    def take_of(self, kind: str, network: str, rate: Rate) -> int:
        """As ``take``, of a network and of its site, which has as much as ``NETWORKS_OF_SITE`` of them."""
        site = site_of(network)
        if site == network:
            return self.take((kind, network), rate)
        return self.wait((kind, site), _of_site(rate)) or self.take((kind, network), rate) or self.take(
            (kind, site), _of_site(rate)
        )
