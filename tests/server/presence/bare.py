"""Nodes without loops of their own: a test decides who does what when."""

from __future__ import annotations

from collections.abc import Collection

from redis.asyncio import Redis

from domain.presence import Choice, Status, View
from server.cluster.lease import LEASES, LeaseTiming
from server.cluster.membership import ClusterMembership, DeadNode
from server.cluster.scripts import Scripts
from server.presence.devices import Devices
from server.presence.last_seen import LastSeen
from server.presence.reaper import DeadNodeReaper
from server.presence.registrar import Registrar
from server.presence.timing import Timing

# Leases run out when a test says so; no clocks differ; a test that wants quiet asks for it.
BARE = LeaseTiming(lease_ms=600_000, margin_ms=0, quiet_after_ms=10**13)
_AT_ONCE = Timing(grace_seconds=0.0)


class PresenceNode:
    """``seen``, ``accounts``: what would be in MongoDB, shared by the nodes that are given the same."""

    def __init__(
        self,
        redis: Redis,
        timing: LeaseTiming = BARE,
        seen: dict[str, int] | None = None,
        accounts: dict[str, Choice] | None = None,
    ) -> None:
        self.redis = redis
        self.scripts = Scripts(redis)
        self.seen = {} if seen is None else seen
        self.accounts = {} if accounts is None else accounts
        self.sent: list[tuple[str, View]] = []
        self.dead: list[int] = []
        self.last_seen = LastSeen(self._write)
        self.devices = Devices(_AT_ONCE.grace_seconds, lambda: 0, lambda user, at: self.registrar.changed(user, at))
        self.membership = ClusterMembership(redis, timing)
        self.lease = self.membership.lease
        self.registrar = Registrar(
            self.scripts, self.lease, self.devices, self.last_seen, self._receive, lambda user, at: None, _AT_ONCE
        )
        self.reaper = DeadNodeReaper(self.scripts, self.last_seen, self._receive, self._read)
        self.membership.on_lease_lost(self.registrar.register_all_again)
        self.membership.on_node_dead(self.reaper.reap)
        self.membership.on_node_dead(self._note_dead)

    async def renew(self) -> None:
        """What the lease's loop does once."""
        await self.hand_out(await self.lease.renew())

    async def hand_out(self, dead: dict[str, int]) -> None:
        for incarnation, ran_out in dead.items():
            await self.membership.hand_out(DeadNode(incarnation, ran_out))

    async def flush(self) -> None:
        """What the registrar's worker does when it is woken."""
        await self.registrar.flush()
        await self.last_seen.drain()
        await self.registrar.flush()

    def put(self, user_id: str, status: Status) -> None:
        """The user's one device here says so."""
        self.devices.connect(user_id, user_id)
        self.devices.set(user_id, status)

    def choose(self, user_id: str, choice: Choice) -> None:
        """The node receives what the user chose for all devices."""
        self.devices.choose(user_id, choice)

    def take(self, user_id: str) -> None:
        """The user's device leaves, and the grace is over."""
        self.devices.disconnect(user_id)
        self.devices.end_graces()

    async def lapse(self) -> None:
        """The lease runs out, as for a node that is frozen or dead."""
        self.lease.deadline = 1
        await self.redis.zadd(LEASES, {self.lease.incarnation: 1}, xx=True)

    async def _read(self, user_ids: Collection[str]) -> dict[str, Choice]:
        return {user_id: self.accounts[user_id] for user_id in user_ids if user_id in self.accounts}

    async def _write(self, seen: object) -> None:
        assert isinstance(seen, dict)
        for user_id, at in seen.items():
            self.seen[user_id] = max(at, self.seen.get(user_id, 0))

    async def _note_dead(self, dead: DeadNode) -> None:
        self.dead.append(dead.ran_out)

    def _receive(self, user_id: str, view: View) -> None:
        self.sent.append((user_id, view))
