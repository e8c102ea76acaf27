"""Who on this node watches whom, how the watched stand according to Redis, and what the watchers were sent last.

Redis gives a user's presence in three forms: a published message, a script's answer, or a hash.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Protocol, cast

import structlog

from domain.errors import invalid
from domain.presence import NOWHERE, PublicStatus, Status, View, assumed, most_present, public
from domain.times import from_milliseconds, to_wire_or_none
from domain.wire.events import PresenceChanged
from server.callbacks import notify
from server.cluster.scripts import Scripts
from server.observability.logging import safe_traceback
from server.presence import redis_scripts
from server.pubsub.connection import UNREACHABLE

log = structlog.get_logger("presence")

MAX_WATCHED = 1_000
# Users read from Redis at once.
BATCH = 500
_HOLDER = b"n:"


def from_message(payload: bytes) -> View:
    """``<version> <status> <seen> <holder>,<holder>…``"""
    version, status, seen, holders = payload.split(b" ")
    return _view(version, status, seen, holders.split(b",") if holders else [])


def from_hash(fields: dict[bytes, bytes]) -> View:
    """A user that has no hash is nowhere, with version 0."""
    if b"v" not in fields:
        return NOWHERE
    holders = [name.removeprefix(_HOLDER) for name in fields if name.startswith(_HOLDER)]
    return _view(fields[b"v"], fields[b"s"], fields[b"seen"], holders)


def _view(version: bytes, status: bytes, seen: bytes, holders: list[bytes]) -> View:
    return View(
        version=int(version),
        status=cast(PublicStatus, status.decode()),
        seen=int(seen),
        holders=frozenset(holder.decode() for holder in holders),
    )


class Reading:
    """Presence as Redis holds it."""

    def __init__(self, scripts: Scripts) -> None:
        self._scripts = scripts

    async def of(self, user_ids: Sequence[str]) -> dict[str, View]:
        """Raises one of ``UNREACHABLE``."""
        found: dict[str, View] = {}
        for start in range(0, len(user_ids), BATCH):
            batch = user_ids[start : start + BATCH]
            answers = await self._scripts.pipeline([("HGETALL", redis_scripts.user(user_id)) for user_id in batch])
            for user_id, answer in zip(batch, answers, strict=True):
                if isinstance(answer, BaseException):
                    raise answer
                found[user_id] = from_hash(answer)
        return found


class Bus(Protocol):
    """Messages between nodes, by channel."""

    async def subscribe(self, channel: str, receive: Callable[[bytes], None]) -> bool: ...
    def unsubscribe(self, channel: str) -> None: ...


class Audience(Protocol):
    """The connections that watch somebody."""

    def is_there(self, connection: str) -> bool: ...
    def join(self, connection: str, user_id: str) -> None: ...
    def leave(self, connection: str, user_id: str) -> None: ...
    def may_send(self) -> bool: ...
    def send(self, event: PresenceChanged) -> None: ...


class Watched:
    """``view``: what Redis had last. ``sent``: what the watchers were sent last."""

    __slots__ = ("by", "loading", "sent", "view")

    def __init__(self) -> None:
        self.view = NOWHERE
        self.sent = NOWHERE
        self.by: set[str] = set()
        self.loading: asyncio.Task[None] | None = None


class Here(Protocol):
    """Those with devices on this node."""

    def status(self, user_id: str) -> Status | None: ...
    def hides(self, user_id: str) -> bool: ...


class Watches:
    """Nobody is sent less of somebody who is here than they are, nor more of somebody who is here and hides."""

    def __init__(self, bus: Bus, reading: Reading, audience: Audience, here: Here) -> None:
        self._bus = bus
        self._reading = reading
        self._audience = audience
        self._here = here
        self._watched: dict[str, Watched] = {}
        self._of: dict[str, set[str]] = {}
        # Whose change may not be sent to the watchers yet.
        self._withheld: set[str] = set()

    # --- what connections ask ---

    async def watch(self, connection: str, user_ids: Sequence[str]) -> dict[str, View]:
        """Subscribe first, read after: what is answered and what is sent later leave no gap and do not overlap."""
        if not self._audience.is_there(connection):
            return dict.fromkeys(user_ids, NOWHERE)
        self._reserve(connection, user_ids)
        loading = {w.loading for i in user_ids if (w := self._watched[i]).loading is not None}
        if loading:
            await asyncio.wait(loading)
        answers: dict[str, View] = {}
        for user_id in user_ids:
            watched = self._watched.get(user_id)
            if watched is None or connection not in watched.by:
                answers[user_id] = NOWHERE  # It went, or thought better of it.
                continue
            self._audience.join(connection, user_id)
            answers[user_id] = watched.sent
        return answers

    def unwatch(self, connection: str, user_ids: Iterable[str]) -> None:
        mine = self._of.get(connection, set())
        for user_id in mine.intersection(user_ids):
            mine.discard(user_id)
            self._audience.leave(connection, user_id)
            self._release(connection, user_id)
        if not mine:
            self._of.pop(connection, None)

    def leave(self, connection: str) -> None:
        """The connection is gone."""
        self.unwatch(connection, tuple(self._of.get(connection, ())))

    @property
    def users(self) -> int:
        return len(self._watched)

    # --- what is received ---

    def receive(self, user_id: str, view: View) -> None:
        """The newest version holds, on whichever way it came."""
        watched = self._watched.get(user_id)
        if watched is not None and view.version > watched.view.version:
            watched.view = view
            self._update(user_id, watched)

    def here_changed(self, user_id: str) -> None:
        if (watched := self._watched.get(user_id)) is not None:
            self._update(user_id, watched)

    def send_withheld(self) -> None:
        """Changes may be sent to watchers again: of each person the present status, if that has changed."""
        withheld, self._withheld = self._withheld, set()
        for user_id in withheld:
            if (watched := self._watched.get(user_id)) is not None:
                self._update(user_id, watched)

    def assume(self, user_id: str, ours: frozenset[str], left_at: int) -> None:
        """A change here does not reach Redis: it is delivered to the watchers here."""
        if (watched := self._watched.get(user_id)) is not None:
            watched.view = assumed(watched.view, ours, self._here.status(user_id), left_at)
            self._update(user_id, watched)

    async def read_again(self) -> list[str]:
        """After an interruption; answers whose version in Redis is older than here. Raises one of ``UNREACHABLE``."""
        doubtful = []
        for user_id, view in (await self._reading.of(tuple(self._watched))).items():
            self.receive(user_id, view)
            watched = self._watched.get(user_id)
            if watched is not None and view.version < watched.view.version:
                doubtful.append(user_id)
        return doubtful

    async def resolve(self, doubtful: Sequence[str]) -> None:
        """Everybody has registered again: what Redis has now holds, even if its versions started anew."""
        before = {i: w.view for i in doubtful if (w := self._watched.get(i)) is not None}
        for user_id, view in (await self._reading.of(tuple(before))).items():
            watched = self._watched.get(user_id)
            if watched is not None and watched.view is before[user_id]:
                watched.view = view
                self._update(user_id, watched)

    # --- inside ---

    def _reserve(self, connection: str, user_ids: Sequence[str]) -> None:
        mine = self._of.get(connection, set())
        if len(mine.union(user_ids)) > MAX_WATCHED:
            raise invalid("userIds", f"one connection watches at most {MAX_WATCHED} people; unwatch some first")
        new: dict[str, Watched] = {}
        for user_id in user_ids:
            watched = self._watched.get(user_id)
            if watched is None:
                watched = self._watched[user_id] = new[user_id] = Watched()
            watched.by.add(connection)
            self._of.setdefault(connection, set()).add(user_id)
        if new:
            loading = asyncio.get_running_loop().create_task(self._load(new))
            for watched in new.values():
                watched.loading = loading

    async def _load(self, new: dict[str, Watched]) -> None:
        found: dict[str, View] = {}
        try:
            subscribing = (self._bus.subscribe(redis_scripts.user(i), partial(self._message, i)) for i in new)
            confirmed = await asyncio.gather(*subscribing)
            # The others are read once their subscription is confirmed: who asks should not wait for Redis.
            found = await self._reading.of([i for i, ready in zip(new, confirmed, strict=True) if ready])
        except UNREACHABLE as error:
            log.info("presence is not read now", error=type(error).__name__)
        except Exception as error:
            log.error("reading presence failed", **safe_traceback(error))
        for user_id, watched in new.items():
            watched.loading = None
            if user_id not in self._watched:
                self._bus.unsubscribe(redis_scripts.user(user_id))
            else:
                self.receive(user_id, found.get(user_id, NOWHERE))
                self.here_changed(user_id)

    def _release(self, connection: str, user_id: str) -> None:
        watched = self._watched[user_id]
        watched.by.discard(connection)
        if not watched.by:
            del self._watched[user_id]
            self._withheld.discard(user_id)
            self._bus.unsubscribe(redis_scripts.user(user_id))

    def _message(self, user_id: str, payload: bytes) -> None:
        self.receive(user_id, from_message(payload))

    def _update(self, user_id: str, watched: Watched) -> None:
        before, view = watched.sent, watched.view
        status: PublicStatus = "offline"
        if not self._here.hides(user_id):
            status = most_present(view.status, public(self._here.status(user_id)))
        # Nothing has been sent while it is being loaded.
        sending = watched.loading is None and status != before.status
        if sending and not self._audience.may_send():
            self._withheld.add(user_id)
            return
        watched.sent = View(version=view.version, status=status, seen=view.seen)
        if sending:
            seen = from_milliseconds(view.seen) if status == "offline" else None
            event = PresenceChanged(user_id=user_id, status=status, last_seen_at=to_wire_or_none(seen))
            notify(self._audience.send, event)
