"""The figures that decide how soon somebody is seen leaving.

A node's lease: it holds what it registered for as long as its name is alive in Redis.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from uuid import uuid4

from server.callbacks import notify
from server.presence import redis
from server.presence.redis import RENEW, RESIGN, Call, Scripts


@dataclass(frozen=True, slots=True)
class Timing:
    """Who is killed is seen leaving after ``lease_ms + margin_ms`` and one interval: 10 s of the 15 allowed."""

    lease_ms: int = 7_000
    # What the clocks of a cluster's nodes may differ by: writing stops this long before anybody may take over.
    margin_ms: int = 1_000
    renew_seconds: float = 2.0
    # Without any renewal for this long Redis was away, or empty: nobody takes over for one lease.
    quiet_after_ms: int = 4_000
    # Flapping: a device that leaves counts for a while longer.
    grace_seconds: float = 3.0
    # After an interruption everybody has registered again by then, and what is missing is gone.
    settle_seconds: float = 3.0
    retry_seconds: float = 0.5
    notice_seconds: float = 0.5


STANDARD = Timing()


_KEYS = (redis.LEASES, redis.DEAD, redis.QUIET)
# Of our earlier names only the latest can still be seen on somebody.
_REMEMBERED = 16


class Lease:
    """``incarnation``: the node's name, another one after it was found dead, or Redis has lost what it wrote since;
    ``lost`` is called then."""

    def __init__(self, scripts: Scripts, timing: Timing, lost: Callable[[], None]) -> None:
        self._scripts = scripts
        self._timing = timing
        self._lost = lost
        self._registered = False
        self._turn = asyncio.Lock()
        self._names: list[str] = []
        self.deadline = 0
        self._take_name()

    @property
    def incarnation(self) -> str:
        return self._names[-1]

    @property
    def ours(self) -> frozenset[str]:
        """All names this node went by."""
        return frozenset(self._names)

    async def renew(self) -> dict[str, int]:
        """Keep the lease or take a new one; answers the dead whose users are to be taken over, with their deadlines.

        Raises one of ``UNREACHED``.
        """
        async with self._turn:
            held, dead = await self._renew(create=not self._registered)
            if not held:
                self._take_name()
                _, dead = await self._renew(create=True)
                self._registered = True
                notify(self._lost)
            self._registered = True
            return dead

    async def resign(self) -> bool:
        """Leave: whoever has not turned up elsewhere after the grace is gone.

        Answers whether others will take over; they can't if Redis has forgotten the lease, or what was written since.
        Raises one of ``UNREACHED``.
        """
        if not self._registered:
            return False
        (held,) = await self._scripts.pipeline([("ZSCORE", redis.LEASES, self.incarnation)])
        if isinstance(held, BaseException):
            raise held
        if held is None or float(held) < self.deadline:
            return False
        left_ms = int(self._timing.grace_seconds * 1000) - self._timing.margin_ms
        await self._scripts.run(RESIGN, Call((redis.LEASES,), (self.incarnation, left_ms)))
        return True

    async def _renew(self, *, create: bool) -> tuple[bool, dict[str, int]]:
        timing = self._timing
        times = (timing.lease_ms, timing.margin_ms, timing.quiet_after_ms)
        arguments = (self.incarnation, int(create), *times, self.deadline)
        held, deadline, dead = await self._scripts.run(RENEW, Call(_KEYS, arguments))
        if held:
            self.deadline = int(deadline)
        return bool(held), {name.decode(): int(at) for name, at in zip(dead[::2], dead[1::2], strict=True)}

    def _take_name(self) -> None:
        self._names = [*self._names[1 - _REMEMBERED :], uuid4().hex]
        self.deadline = 0
