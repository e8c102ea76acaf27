"""Presence on this node: its devices, what Redis holds of them, its watchers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Hashable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

import structlog
from redis.asyncio import Redis
from redis.asyncio.cluster import RedisCluster

from domain.presence import Choice, Status, View
from server.callbacks import notify_all
from server.cluster.membership import ClusterMembership
from server.cluster.scripts import Scripts
from server.observability.logging import safe_traceback
from server.presence import redis_scripts
from server.presence.devices import Devices
from server.presence.last_seen import LastSeen, Write
from server.presence.reaper import DeadNodeReaper
from server.presence.registrar import Registrar
from server.presence.timing import STANDARD, Timing
from server.presence.watches import Audience, Bus, Reading, Watches
from server.pubsub.connection import UNREACHABLE
from store.concurrency import Tasks

log = structlog.get_logger("presence")


CHOICES_AT_ONCE = 1000


def batched(user_ids: Iterable[str], size: int) -> Iterator[list[str]]:
    rest = list(user_ids)
    for start in range(0, len(rest), size):
        yield rest[start : start + size]


@dataclass(frozen=True, slots=True)
class Choices:
    """What people chose for all devices: how it is read, and how other nodes are told."""

    read: Callable[[Collection[str]], Awaitable[dict[str, Choice]]]
    publish: Callable[[str, Choice], None]


class PresenceBus(Bus, Protocol):
    @property
    def redis(self) -> Redis | RedisCluster: ...
    @property
    def up(self) -> bool: ...
    def on_restored(self, callback: Callable[[Collection[str]], None]) -> None: ...
    def on_publishing(self, callback: Callable[[], None]) -> None: ...


class Presence:
    """Make it inside the running loop, then ``start``, then ``stop_registering`` and, once the node has left the
    cluster, ``stop``."""

    def __init__(
        self,
        bus: PresenceBus,
        membership: ClusterMembership,
        audience: Audience,
        write_last_seen: Write,
        clock_ms: Callable[[], int],
        choices: Choices,
        timing: Timing = STANDARD,
    ) -> None:
        self._timing = timing
        self._clock_ms = clock_ms
        self._scripts = Scripts(bus.redis)
        self.last_seen = LastSeen(write_last_seen)
        self.devices = Devices(timing.grace_seconds, clock_ms, self._changed)
        self.watches = Watches(bus, Reading(self._scripts), audience, self.devices)
        self.lease = membership.lease
        self.registrar = Registrar(
            self._scripts, self.lease, self.devices, self.last_seen, self.watches.receive, self._unpublished, timing
        )
        self.reaper = DeadNodeReaper(self._scripts, self.last_seen, self.watches.receive, self._read_for_the_dead)
        self._device_of: dict[str, Hashable] = {}
        self._tasks = Tasks()
        self._catch_up = asyncio.Event()
        self._bus = bus
        self._choices = choices
        self._hidden: list[Callable[[str], object]] = []
        # Of whom this node may have missed what they chose.
        self._stale: set[str] = set()
        self._doubts = asyncio.Event()
        membership.on_node_dead(self.reaper.reap)
        membership.on_lease_lost(self._lost)
        bus.on_restored(self._restored)
        bus.on_publishing(self._publishing)

    def on_hidden(self, callback: Callable[[str], object]) -> None:
        """Call it with whom nobody is to see here any more."""
        self._hidden.append(callback)

    def start(self) -> None:
        for work in (self.registrar.run(), self._catching_up(), self._choosing()):
            self._tasks.spawn(work)

    async def stop_registering(self) -> None:
        """The others take over whoever does not turn up at another node."""
        self.devices.stop()
        await self._tasks.stop()

    async def stop(self, *, resigned: bool) -> None:
        """``resigned``: whether the others will know that this node is gone."""
        # Those whom nobody may ever take over: Redis can come back empty, and never knew of who had just come.
        self.registrar.note_seen(self._clock_ms(), everybody=not resigned)
        try:
            await self.last_seen.drain()
        finally:
            # Out of time as well: a writer left behind would go on trying with a closed client.
            await self.last_seen.stop()

    # --- what the gateway reports ---

    def connected(self, connection: str, device: Hashable, user_id: str, status: Status, choice: Choice) -> None:
        """A device was admitted to a namespace; ``status``: what it set for its owner the last time."""
        self._device_of[connection] = device
        self._learn(user_id, choice)
        self.devices.connect(device, user_id, status)

    def left(self, connection: str) -> None:
        """A device left a namespace."""
        self._device_of.pop(connection, None)
        self.watches.leave(connection)

    def disconnected(self, device: Hashable) -> None:
        """A device is in no namespace any more."""
        self.devices.disconnect(device)

    # --- what commands ask ---

    async def watch(self, connection: str, user_ids: Sequence[str]) -> dict[str, View]:
        return await self.watches.watch(connection, user_ids)

    def unwatch(self, connection: str, user_ids: Iterable[str]) -> None:
        self.watches.unwatch(connection, user_ids)

    def device_of(self, connection: str) -> Hashable | None:
        """Whose it goes on being if the connection is replaced meanwhile."""
        return self._device_of.get(connection)

    def set(self, user_id: str, device: Hashable | None, status: Status, choice: Choice) -> None:
        """The choice holds whatever has become of the device meanwhile: the account has it."""
        if choice.hides:
            # Before the device itself says so, or others would be seen for a moment.
            self.choose(user_id, choice)
        if device is not None and self.devices.user_of(device) == user_id:
            self.devices.set(device, status)
        self.choose(user_id, choice)
        if choice.version:
            # Also when it is no news here: another node may have missed it.
            self._choices.publish(user_id, choice)

    async def published(self, user_id: str) -> None:
        """Return when what was set is; with Redis down at once."""
        if self._bus.up:
            await self.registrar.flushed(user_id)

    # --- what holds for all devices of a person ---

    def hides(self, user_id: str) -> bool:
        """Whether somebody with devices here chose to be invisible."""
        return self.devices.hides(user_id)

    def choose(self, user_id: str, choice: Choice) -> bool:
        """As it was set here, or published by another node; whether it is news."""
        if not self.devices.choose(user_id, choice):
            return False
        if choice.hides:
            notify_all(self._hidden, user_id)
        return True

    def invalidate(self, user_id: str) -> None:
        """What another node published of the person may not have arrived."""
        self._stale.add(user_id)
        self._doubts.set()

    def send_withheld(self) -> None:
        """Changes may be sent to watchers again. Soon: the answers to commands that were withheld as well are older."""
        asyncio.get_running_loop().call_soon(self.watches.send_withheld)

    # --- inside ---

    def _changed(self, user_id: str, left_at: int) -> None:
        self.registrar.changed(user_id, left_at)
        if self._bus.up:
            self.watches.here_changed(user_id)
        else:
            self._unpublished(user_id, left_at)

    def _unpublished(self, user_id: str, left_at: int) -> None:
        self.watches.assume(user_id, self.lease.ours, left_at)

    async def _read_for_the_dead(self, user_ids: Collection[str]) -> dict[str, Choice]:
        """What those chose whom a dead node held: it may have been the only one to know."""
        async with asyncio.timeout(self._timing.choices_seconds):
            choices = await self._choices.read(user_ids)
        for user_id, choice in choices.items():
            self.choose(user_id, choice)
            self._choices.publish(user_id, choice)
        return choices

    def _lost(self) -> None:
        # A process that was frozen has yet to notice who left meanwhile: until then nobody is registered.
        self.registrar.hold()
        self._tasks.spawn(self._registering_again())
        self._catch_up.set()

    async def _registering_again(self) -> None:
        await asyncio.sleep(self._timing.notice_seconds)
        await self._read_before_writing(self.devices.users)
        # Those who are here, but not those whose departure was published already.
        self.devices.end_graces()
        self.registrar.register_all_again()
        self.registrar.release()

    def _publishing(self) -> None:
        self.registrar.write_again()
        self.registrar.hold()
        self._tasks.spawn(self._writing_again())

    async def _writing_again(self) -> None:
        await self._read_before_writing(self.registrar.pending)
        self.registrar.release()

    async def _read_before_writing(self, user_ids: Collection[str]) -> None:
        """What was chosen elsewhere while this node was cut off; for a while only, as people are to be seen again."""
        self._stale.update(user_ids)
        with suppress(TimeoutError):
            async with asyncio.timeout(self._timing.choices_seconds):
                await self._read_stale()
        if self._stale:
            self._doubts.set()

    def _restored(self, channels: Collection[str]) -> None:
        self.registrar.try_again()
        if any(map(redis_scripts.is_users, channels)):
            self._catch_up.set()

    async def _choosing(self) -> None:
        """Ask the database for what may have been missed, many at once."""
        while True:
            await self._doubts.wait()
            self._doubts.clear()
            if not await self._read_stale():
                await asyncio.sleep(self._timing.retry_seconds)
                self._doubts.set()

    def _learn(self, user_id: str, choice: Choice) -> None:
        """As it was read of the account. Whoever stored it may not have come to publish it."""
        if self.choose(user_id, choice):
            self._choices.publish(user_id, choice)

    async def _read_stale(self) -> bool:
        """False when it cannot be read now."""
        stale, self._stale = self._stale, set()
        try:
            for batch in batched(stale, CHOICES_AT_ONCE):
                for user_id, choice in (await self._choices.read(batch)).items():
                    self._learn(user_id, choice)
        except BaseException as error:
            self._stale |= stale
            if not isinstance(error, Exception):
                raise
            log.warning("who is invisible is not known now", error=type(error).__name__)
            return False
        return True

    async def _catching_up(self) -> None:
        """After an interruption: what Redis holds counts at once, what it has forgotten when all have registered."""
        while True:
            await self._catch_up.wait()
            self._catch_up.clear()
            try:
                await self.lease.renew()
                doubtful = await self.watches.read_again()
                await asyncio.sleep(self._timing.settle_seconds)
                await self.watches.resolve(doubtful)
            except UNREACHABLE:
                await asyncio.sleep(self._timing.retry_seconds)
                self._catch_up.set()
            except Exception as error:
                log.error("reading presence again failed", **safe_traceback(error))
                await asyncio.sleep(self._timing.retry_seconds)
                self._catch_up.set()
