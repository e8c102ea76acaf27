"""Which nodes live, and which have died: whoever registered is called with each."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from itertools import count
from time import monotonic

import structlog
from prometheus_client.core import Metric
from redis.asyncio import Redis
from redis.asyncio.cluster import RedisCluster

from server.callbacks import notify_all
from server.cluster.known_leases import KnownLeases
from server.cluster.lease import DEAD, LEASES, STANDARD, Lease, LeaseTiming
from server.cluster.scripts import Scripts
from server.observability.logging import safe_traceback
from server.observability.metrics import MetricSource, counter, gauge
from server.pubsub.connection import UNREACHABLE
from store.backoff import ExponentialBackoff
from store.concurrency import cancelled

log = structlog.get_logger("cluster")

# A Redis that does not answer must leave time for what else is to be done at the end.
_RESIGN_SECONDS = 0.3
# A death that was not handled: MongoDB is away, as a rule.
_AGAIN = ExponentialBackoff(first=0.5, longest=4.0)


@dataclass(frozen=True, slots=True)
class DeadNode:
    """``ran_out``: when its lease did, in milliseconds, by the clock of Redis. A lease that Redis lost may have been
    renewed after it was last seen with that deadline: it had run out by ``latest``."""

    incarnation: str
    ran_out: int
    latest: int | None = None


OnNodeDead = Callable[[DeadNode], Awaitable[object]]


class ClusterMembership:
    """Make it inside the running loop, register, then ``start``, then ``stop``.

    Every death is handed out at least once, on one or several of the nodes that live, until all that registered there
    have returned: then it is off the list in Redis, and nobody else begins with it. A node that has begun goes on
    until it is done, whatever Redis lists: it may have lost the list. So who registered must bear to be called twice,
    also at the same time on two nodes, and returns when what it has to do can't be lost any more.
    """

    def __init__(self, redis: Redis | RedisCluster, timing: LeaseTiming = STANDARD) -> None:
        self.timing = timing
        self._scripts = Scripts(redis)
        self._others = KnownLeases(timing.lease_ms + timing.margin_ms, timing.quiet_after_ms, monotonic)
        self.lease = Lease(self._scripts, timing, self._others, self._lost)
        self._dead: list[OnNodeDead] = []
        self._lease_lost: list[Callable[[], None]] = []
        self._renewing: asyncio.Task[None] | None = None
        self._handing_out: dict[tuple[str, bool], asyncio.Task[None]] = {}
        self.alive = 0
        self.deaths = 0
        self.losses = 0

    def on_node_dead(self, callback: OnNodeDead) -> None:
        """Call it with each node that died; what it raises has it called again."""
        self._dead.append(callback)

    def on_lease_lost(self, callback: Callable[[], None]) -> None:
        """Call it when this node goes by a new name: nothing that it registered under the old one counts."""
        self._lease_lost.append(callback)

    def start(self) -> None:
        self._renewing = asyncio.get_running_loop().create_task(self._keep_lease())

    async def stop(self) -> bool:
        """Give up the lease; false when nobody will take over what was registered under it."""
        # The first may begin to hand out a death before it ends.
        await cancelled([self._renewing])
        await cancelled(tuple(self._handing_out.values()))
        # In a task of its own, which redis-py may keep longer than we wait.
        resigning = asyncio.get_running_loop().create_task(self.lease.resign())
        await asyncio.wait([resigning], timeout=_RESIGN_SECONDS)
        resigned = resigning.done() and resigning.exception() is None and resigning.result()
        if not resigned:
            log.info("the lease is left to run out")
            # Whatever becomes of it: an exception that nobody retrieves would be logged.
            resigning.add_done_callback(lambda done: done.cancelled() or done.exception())
        resigning.cancel()
        return resigned

    async def hand_out(self, dead: DeadNode) -> bool:
        """Call all that registered; false when it has to be done again. Raises one of ``UNREACHABLE``."""
        if dead.latest is not None:
            # Whoever was only late must not go on under a name that holds nobody any more.
            await self._remove(LEASES, dead)
        outcomes = await asyncio.gather(*(callback(dead) for callback in self._dead), return_exceptions=True)
        failed = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
        for error in failed:
            if isinstance(error, Exception) and not isinstance(error, UNREACHABLE):
                log.warning("handling a dead node failed", **safe_traceback(error))
        if failed:
            return False
        # Of several nodes one has removed it.
        self.deaths += await self._remove(DEAD, dead)
        return True

    async def _remove(self, key: str, dead: DeadNode) -> int:
        (removed,) = await self._scripts.pipeline([("ZREM", key, dead.incarnation)])
        if isinstance(removed, BaseException):
            raise removed
        return int(removed)

    async def _keep_lease(self) -> None:
        while True:
            pause = self.timing.renew_seconds * random.uniform(0.8, 1.0)
            try:
                for incarnation, ran_out in (await self.lease.renew()).items():
                    self._hand_out_soon(DeadNode(incarnation, ran_out))
                self._hand_out_forgotten()
                # This one included, which may not have been listed yet.
                self.alive = self._others.count + 1
            except UNREACHABLE:
                pause = self.timing.retry_seconds
            except Exception as error:
                log.error("renewing the lease failed", **safe_traceback(error))
            await asyncio.sleep(pause)

    def _hand_out_forgotten(self) -> None:
        for incarnation, seen in self._others.gone():
            log.warning("a node is taken for dead whose lease Redis has lost")
            self._hand_out_soon(DeadNode(incarnation, seen, self.lease.deadline))

    def _hand_out_soon(self, dead: DeadNode) -> None:
        """Each in a task of its own, so that one that cannot be handled does not hold up the others."""
        # An earlier state of Redis may tell of the death as well, with an earlier end.
        key = (dead.incarnation, dead.latest is None)
        if key not in self._handing_out:
            task = asyncio.get_running_loop().create_task(self._hand_out(dead))
            self._handing_out[key] = task
            task.add_done_callback(lambda _: self._handing_out.pop(key, None))

    async def _hand_out(self, dead: DeadNode) -> None:
        for attempt in count(1):
            try:
                if await self.hand_out(dead):
                    return
            except UNREACHABLE:
                pass
            except Exception as error:
                log.error("handing out a dead node failed", **safe_traceback(error))
            await asyncio.sleep(_AGAIN.pause(attempt))

    def _lost(self) -> None:
        self.losses += 1
        notify_all(self._lease_lost)

    def metrics(self) -> MetricSource:
        def read() -> Iterable[Metric]:
            yield gauge("spotter_cluster_nodes", "Nodes with a lease, this one included.", self.alive)
            yield counter("spotter_cluster_deaths", "Dead nodes whose handling this one concluded.", self.deaths)
            yield counter("spotter_cluster_lease_losses", "New names this node had to take.", self.losses)

        return read
