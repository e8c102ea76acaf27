"""A node's lease in Redis: it lives, and holds what it registered, for as long as its name is alive there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from uuid import uuid4

from server.cluster.known_leases import KnownLeases, node_of
from server.cluster.scripts import Script, ScriptCall, Scripts

# What one script touches shares a hash tag, and so a slot of a cluster.
LEASES = "{presence}:leases"
DEAD = "{presence}:dead"
QUIET = "{presence}:quiet"

_KEYS = (LEASES, DEAD, QUIET)
# Of our earlier names only the latest can still be seen on somebody.
_REMEMBERED = 16


@dataclass(frozen=True, slots=True)
class LeaseTiming:
    """Who is killed is known to be dead after ``lease_ms + margin_ms`` and one interval: 10 s of the 15 allowed."""

    lease_ms: int = 7_000
    # What the clocks of a cluster's nodes may differ by: writing stops this long before anybody may take over.
    margin_ms: int = 1_000
    renew_seconds: float = 2.0
    # Without any renewal for this long Redis was away, or empty: nobody is declared dead for one lease.
    quiet_after_ms: int = 4_000
    # Who ends in an orderly way is dead after this long.
    resign_seconds: float = 3.0
    retry_seconds: float = 0.5


STANDARD = LeaseTiming()


# Keep the lease, if nobody has declared it dead; declare dead whose lease ran out. That is final: whoever
# finds itself dead takes a new name. A lease that ran out unnoticed is simply renewed. One that is shorter than
# what was confirmed comes from an older state of Redis (a snapshot, a replica that lagged behind), which holds things
# that are gone: we take a new name as well, and the old one is left to run out, with what is not ours any more.
RENEW = Script("""
local leases, dead, quiet, incarnation = KEYS[1], KEYS[2], KEYS[3], ARGV[1]
local create, lease, margin, gap = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local confirmed = tonumber(ARGV[6])
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local last = tonumber(redis.call('HGET', quiet, 'last') or 0)
if now - last > gap then redis.call('HSET', quiet, 'until', string.format('%.0f', now + lease + margin)) end
redis.call('HSET', quiet, 'last', string.format('%.0f', now))

local held = create == '1' or tonumber(redis.call('ZSCORE', leases, incarnation) or -1) >= confirmed
local deadline = string.format('%.0f', now + lease)
if held then redis.call('ZADD', leases, deadline, incarnation) end
if now >= tonumber(redis.call('HGET', quiet, 'until') or 0) then
  local before = string.format('(%.0f', now - margin)
  local lapsed = redis.call('ZRANGEBYSCORE', leases, '-inf', before, 'WITHSCORES', 'LIMIT', 0, 1000)
  for i = 1, #lapsed, 2 do
    redis.call('ZREM', leases, lapsed[i])
    redis.call('ZADD', dead, lapsed[i + 1], lapsed[i])
  end
end
return {held and 1 or 0, deadline, redis.call('ZRANGE', dead, 0, -1, 'WITHSCORES')}
""")

LISTED = Script("return redis.call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES')")

# A node that leaves in an orderly way is dead a little later: until then its people reach another.
RESIGN = Script("""
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
return redis.call('ZADD', KEYS[1], 'XX', string.format('%.0f', now + tonumber(ARGV[2])), ARGV[1])
""")


class Lease:
    """``incarnation``: the node's name, another one after it was found dead, or Redis has lost what it wrote since;
    ``lost`` is called then. ``others`` are the leases that Redis listed."""

    def __init__(self, scripts: Scripts, timing: LeaseTiming, others: KnownLeases, lost: Callable[[], None]) -> None:
        self._scripts = scripts
        self._timing = timing
        self._others = others
        self._lost = lost
        self._node = uuid4().hex
        self._taken = count(1)
        self._registered = self._renamed = False
        self._lock = asyncio.Lock()
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
        """Keep the lease or take a new one; answers the dead that are not off the list yet, with their deadlines.

        Raises one of ``UNREACHABLE``.
        """
        async with self._lock:
            self._others.before(await self._listed())
            held, dead = await self._renew(create=not self._registered)
            if held:
                self._others.kept()
            else:
                self._others.lost()
                self._take_name()
                self._renamed = True
                _, dead = await self._renew(create=True)
            self._registered = True
            if self._renamed:
                # Maybe one renewal later: Redis can have taken the name, and its answer been lost.
                self._renamed = False
                self._lost()
            return dead

    async def resign(self) -> bool:
        """Leave: this name is dead in a little while.

        Answers whether others will take over; they can't if Redis has forgotten the lease, or what was written since.
        Raises one of ``UNREACHABLE``.
        """
        if not self._registered:
            return False
        (held,) = await self._scripts.pipeline([("ZSCORE", LEASES, self.incarnation)])
        if isinstance(held, BaseException):
            raise held
        if held is None or float(held) < self.deadline:
            return False
        left_ms = int(self._timing.resign_seconds * 1000) - self._timing.margin_ms
        await self._scripts.run(RESIGN, ScriptCall((LEASES,), (self.incarnation, left_ms)))
        return True

    async def _renew(self, *, create: bool) -> tuple[bool, dict[str, int]]:
        timing = self._timing
        times = (timing.lease_ms, timing.margin_ms, timing.quiet_after_ms)
        arguments = (self.incarnation, int(create), *times, self.deadline)
        held, deadline, dead = await self._scripts.run(RENEW, ScriptCall(_KEYS, arguments))
        if held:
            self.deadline = int(deadline)
        return bool(held), _deadlines(dead)

    async def _listed(self) -> dict[str, int]:
        listed = _deadlines(await self._scripts.run(LISTED, ScriptCall((LEASES,), ())))
        return {name: deadline for name, deadline in listed.items() if node_of(name) != self._node}

    def _take_name(self) -> None:
        self._names = [*self._names[1 - _REMEMBERED :], f"{self._node}.{next(self._taken)}"]
        self.deadline = 0


def _deadlines(scores: list[bytes]) -> dict[str, int]:
    return {name.decode(): int(at) for name, at in zip(scores[::2], scores[1::2], strict=True)}
