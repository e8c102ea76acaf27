"""Writes the statuses of this node's devices to Redis; a change that is not written waits here until it is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from itertools import islice
from typing import Any

import structlog

from domain.presence import Choice, Status, View, public
from server.callbacks import notify
from server.cluster.lease import LEASES, Lease
from server.cluster.scripts import ScriptCall, Scripts
from server.observability.logging import safe_traceback
from server.presence import redis_scripts, watches
from server.presence.devices import Devices
from server.presence.last_seen import LastSeen
from server.presence.redis_scripts import CHANGE, ENTER
from server.presence.timing import Timing
from server.pubsub.connection import UNREACHABLE

log = structlog.get_logger("presence")

MAX_BATCH = 256


class Registrar:
    """One worker, so that the changes of a user reach Redis in order.

    ``on_change`` is given what became of a change, ``on_unpublished`` one that could not be published for now.
    """

    def __init__(
        self,
        scripts: Scripts,
        lease: Lease,
        devices: Devices,
        last_seen: LastSeen,
        on_change: Callable[[str, View], None],
        on_unpublished: Callable[[str, int], None],
        timing: Timing,
    ) -> None:
        self._scripts = scripts
        self._lease = lease
        self._devices = devices
        self._last_seen = last_seen
        self._on_change = on_change
        self._on_unpublished = on_unpublished
        self._retry_seconds = timing.retry_seconds
        self._dirty: dict[str, int] = {}
        # Those of the batch at work are in here as well.
        self._waiting: dict[str, list[asyncio.Future[None]]] = {}
        self._to_forget: set[str] = set()
        # What Redis holds of each user under which of our names.
        self._written: dict[str, tuple[str, Status]] = {}
        # Who was to be seen here, though Redis may not have it yet.
        self._shown: set[str] = set()
        # What was written since the last renewal but one, with the time of leaving: Redis may lose it, and keep the
        # lease.
        self._recent: dict[str, int] = {}
        self._earlier: dict[str, int] = {}
        self._recent_deadline = 0
        self._holds = 0
        self._wake = asyncio.Event()

    def changed(self, user_id: str, left_at: int) -> None:
        if public(self._devices.status(user_id)) != "offline":
            self._shown.add(user_id)
        self._dirty[user_id] = left_at
        self._waiting.setdefault(user_id, [])
        self._wake.set()

    async def flushed(self, user_id: str) -> None:
        """Return when Redis has the user's last change, or does not answer."""
        waiting = self._waiting.get(user_id)
        if waiting is not None:
            waiting.append(asyncio.get_running_loop().create_future())
            await waiting[-1]

    def hold(self) -> None:
        """Write nothing until ``release`` was called as often, not even what was due before."""
        self._holds += 1

    def release(self) -> None:
        self._holds -= 1
        self._wake.set()

    def register_all_again(self) -> None:
        """The lease was lost: nothing of what was written counts."""
        for user_id in (*self._devices.users, *self._written):
            self._dirty.setdefault(user_id, 0)
        self._wake.set()

    def note_seen(self, at: int, *, everybody: bool) -> None:
        """The node leaves: note of whom nobody can take over that they were seen. ``at``: in milliseconds.

        Of ``everybody``, or only of those who are registered in Redis under none of the living names.
        """
        lost = {
            user_id
            for user_id, (incarnation, status) in self._written.items()
            if (everybody or incarnation != self._lease.incarnation) and public(status) != "offline"
        }
        for user_id in lost | self._shown:
            here = public(self._devices.status(user_id)) != "offline"
            self._last_seen.note(user_id, at if here else self._dirty.get(user_id) or at)

    def try_again(self) -> None:
        self._wake.set()

    def write_again(self) -> None:
        """Redis was away, and may be back (or another in its place) without what it was told last."""
        for user_id, left_at in (self._earlier | self._recent).items():
            self._dirty.setdefault(user_id, left_at)

    @property
    def pending(self) -> Collection[str]:
        return self._dirty.keys()

    async def run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                await self.flush()
            except UNREACHABLE:
                asyncio.get_running_loop().call_later(self._retry_seconds, self._wake.set)
            except Exception as error:
                log.error("registering devices failed", **safe_traceback(error))
                asyncio.get_running_loop().call_later(self._retry_seconds, self._wake.set)

    async def flush(self) -> None:
        """Return when nothing waits, or is held. Raises one of ``UNREACHABLE``; what is left waits on."""
        while (self._dirty or self._to_forget) and not self._holds:
            batch = dict(islice(self._dirty.items(), MAX_BATCH))
            for user_id in batch:
                del self._dirty[user_id]
            try:
                await self._forget()
                await self._register(batch)
            finally:
                # Done ones were taken out of the batch.
                for user_id, left_at in batch.items():
                    self._dirty.setdefault(user_id, left_at)
                    notify(self._on_unpublished, user_id, left_at)
                    self._wake_waiting(user_id)

    async def _register(self, batch: dict[str, int]) -> None:
        if not batch:
            return
        lease, wanted = self._lease, {user_id: self._devices.status(user_id) for user_id in batch}
        choices = {user_id: self._devices.choice(user_id) for user_id in batch}
        if lease.deadline == 0:
            await lease.renew()
            if self._holds:
                return
        # Both now: a deadline belongs to the name it was given to.
        incarnation, deadline = lease.incarnation, lease.deadline
        entering = [u for u, status in wanted.items() if status and self._name_on(u) != incarnation]
        if entering and not await self._enter(incarnation, entering):
            await lease.renew()
            return
        calls = [
            self._call(user_id, wanted[user_id], choices[user_id], incarnation, deadline, left_at)
            for user_id, left_at in batch.items()
        ]
        answers = await self._scripts.run_each(CHANGE, calls)
        for user_id, answer in zip(tuple(batch), answers, strict=True):
            if isinstance(answer, bytes):
                self._note_written(user_id, batch[user_id], deadline)
                self._done(user_id, wanted[user_id], incarnation, batch.pop(user_id), watches.from_message(answer))
        await self._look_into(answers)

    async def _look_into(self, answers: list[Any]) -> None:
        for answer in answers:
            if isinstance(answer, BaseException):
                raise answer
        if None in answers:
            await self._lease.renew()

    async def _enter(self, incarnation: str, user_ids: list[str]) -> bool:
        call = ScriptCall((LEASES, redis_scripts.held_by(incarnation)), (incarnation, *user_ids))
        return bool(await self._scripts.run(ENTER, call))

    def _call(
        self, user_id: str, status: Status | None, choice: Choice, incarnation: str, deadline: int, left_at: int
    ) -> ScriptCall:
        known = self._name_on(user_id)
        dropped = known if known and known != incarnation else ""
        publish = self._scripts.publish_command
        return redis_scripts.change(
            user_id, incarnation, status, publish, left_at=left_at, deadline=deadline, dropped=dropped, choice=choice
        )

    def _name_on(self, user_id: str) -> str | None:
        known = self._written.get(user_id)
        return None if known is None else known[0]

    def _done(self, user_id: str, status: Status | None, incarnation: str, left_at: int, view: View) -> None:
        before = self._written.pop(user_id, None)
        if status is not None:
            self._written[user_id] = (incarnation, status)
        notify(self._on_change, user_id, view)
        was_seen = user_id in self._shown or (before is not None and public(before[1]) != "offline")
        if user_id not in self._dirty:
            self._shown.discard(user_id)
            self._wake_waiting(user_id)
        forget = self.forget_later if status is None else None
        if view.status == "offline" and was_seen:
            # Redis may have forgotten when; this node has not.
            self._last_seen.note(user_id, max(view.seen, left_at), forget)
        elif forget is not None:
            forget(user_id)

    def _note_written(self, user_id: str, left_at: int, deadline: int) -> None:
        if deadline != self._recent_deadline:
            self._earlier, self._recent, self._recent_deadline = self._recent, {}, deadline
        self._recent[user_id] = left_at

    def _wake_waiting(self, user_id: str) -> None:
        for future in self._waiting.pop(user_id, ()):
            if not future.done():
                future.set_result(None)

    def forget_later(self, user_id: str) -> None:
        self._to_forget.add(user_id)
        self._wake.set()

    async def _forget(self) -> None:
        """Here and not when it falls due: a user who is back must not be taken off the list after being put on it."""
        gone = [user_id for user_id in self._to_forget if user_id not in self._written]
        if gone:
            await self._scripts.pipeline([("SREM", redis_scripts.held_by(self._lease.incarnation), *gone)])
        self._to_forget.clear()
