"""Which nodes live, and which have died: whoever registered is called with each."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

import structlog
from prometheus_client.core import Metric
from redis.asyncio import Redis
from redis.asyncio.cluster import RedisCluster

from server.callbacks import notify_all
from server.cluster.lease import DEAD, LEASES, STANDARD, Lease, LeaseTiming
from server.cluster.scripts import Scripts
from server.observability.logging import safe_traceback
from server.observability.metrics import MetricSource, counter, gauge
from server.pubsub.connection import UNREACHABLE
from store.concurrency import cancelled

log = structlog.get_logger("cluster")

# A Redis that does not answer must leave time for what else is to be done at the end.
_RESIGN_SECONDS = 0.3


@dataclass(frozen=True, slots=True)
class DeadNode:
    """``ran_out``: when its lease did, in milliseconds, by the clock of Redis."""

    incarnation: str
    ran_out: int


OnNodeDead = Callable[[DeadNode], Awaitable[object]]


class ClusterMembership:
    """Make it inside the running loop, register, then ``start``, then ``stop``.

    Every death is handed out at least once, on one or several of the nodes that live, until all that registered there
    have returned: then it is off the list in Redis, and nobody is given it again. So who registered must bear to be
    called twice, also at the same time on two nodes, and returns when what it has to do can't be lost any more.
    """

    def __init__(self, redis: Redis | RedisCluster, timing: LeaseTiming = STANDARD) -> None:
        self.timing = timing
        self._scripts = Scripts(redis)
        self.lease = Lease(self._scripts, timing, self._lost)
        self._dead: list[OnNodeDead] = []
        self._lease_lost: list[Callable[[], None]] = []
        self._renewing: asyncio.Task[None] | None = None
        self._handing_out: dict[str, asyncio.Task[None]] = {}
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
        """Call all that registered; false when it has to be done again."""
        outcomes = await asyncio.gather(*(callback(dead) for callback in self._dead), return_exceptions=True)
        failed = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
        for error in failed:
            if isinstance(error, Exception) and not isinstance(error, UNREACHABLE):
                log.warning("looking after a dead node failed", **safe_traceback(error))
        if failed:
            return False
        (removed,) = await self._scripts.pipeline([("ZREM", DEAD, dead.incarnation)])
        if isinstance(removed, BaseException):
            raise removed
        # Of several nodes one has removed it.
        self.deaths += removed
        return True

    async def _keep_lease(self) -> None:
        while True:
            pause = self.timing.renew_seconds * random.uniform(0.8, 1.0)
            try:
                for incarnation, ran_out in (await self.lease.renew()).items():
                    self._hand_out_soon(DeadNode(incarnation, ran_out))
                await self._count()
            except UNREACHABLE:
                pause = self.timing.retry_seconds
            except Exception as error:
                log.error("renewing the lease failed", **safe_traceback(error))
            await asyncio.sleep(pause)

    def _hand_out_soon(self, dead: DeadNode) -> None:
        """Each in a task of its own, so that one that cannot be looked after does not hold up the others."""
        if dead.incarnation not in self._handing_out:
            task = asyncio.get_running_loop().create_task(self._hand_out(dead))
            self._handing_out[dead.incarnation] = task
            task.add_done_callback(lambda _: self._handing_out.pop(dead.incarnation, None))

    async def _hand_out(self, dead: DeadNode) -> None:
        try:
            await self.hand_out(dead)
        except UNREACHABLE:
            return  # It stays on the list.
        except Exception as error:
            log.error("handling a dead node failed", **safe_traceback(error))

    def _lost(self) -> None:
        self.losses += 1
        notify_all(self._lease_lost)

    async def _count(self) -> None:
        (count,) = await self._scripts.pipeline([("ZCARD", LEASES)])
        if isinstance(count, int):
            self.alive = count

    def metrics(self) -> MetricSource:
        def read() -> Iterable[Metric]:
            yield gauge("spotter_cluster_nodes", "Nodes with a lease, this one included.", self.alive)
            yield counter("spotter_cluster_deaths", "Dead nodes whose handling this one concluded.", self.deaths)
            yield counter("spotter_cluster_lease_losses", "New names this node had to take.", self.losses)

        return read
