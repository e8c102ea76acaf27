"""Our two connections to one Redis server, one that publishes and one that listens.

A canary is published each second: if it does not come back, one of the two is dead though neither was closed.
Subscriptions that the server refuses are asked for again, as rights and slots come back; where it answers nothing, the
connection is made anew.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from typing import Protocol

import structlog

from server.pubsub.channels import Listening, Publishing, PubSubCommands, Subscription
from server.pubsub.connection import Locate, ReconnectingConnection

log = structlog.get_logger("fanout")

EVERY_SECONDS = 1.0
BACK_WITHIN_SECONDS = 1.5
CONFIRMED_WITHIN_SECONDS = 2.0
_LOOK_EVERY_SECONDS = 0.25


class Canary:
    """Sent while ``ready``; ``lost`` is called when one did not come back. ``on_look`` is called at each look, unless
    we stood still before it."""

    def __init__(
        self,
        channel: str,
        publish: Callable[[bytes, bytes], None],
        ready: Callable[[], bool],
        lost: Callable[[], None],
        on_look: Callable[[], None],
    ) -> None:
        self.subscription = Subscription(channel, self._back)
        self._publish = publish
        self._ready = ready
        self._lost = lost
        self._on_look = on_look
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._number = 0
        self._sent_since: float | None = None
        self._sent_at = self._looked_at = 0.0

    def start(self) -> None:
        self._looked_at = self._loop.time()
        self._timer = self._loop.call_later(_LOOK_EVERY_SECONDS, self._look)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def reset(self) -> None:
        """A connection is known to be lost: the canary that was sent is not expected back."""
        self._sent_since = None

    def _back(self, payload: bytes) -> None:
        if payload == b"%d" % self._number:
            self._sent_since = None

    def _look(self) -> None:
        now = self._loop.time()
        late = now - self._looked_at - _LOOK_EVERY_SECONDS
        self._looked_at = now
        self._timer = self._loop.call_later(_LOOK_EVERY_SECONDS, self._look)
        if late <= _LOOK_EVERY_SECONDS:
            self._on_look()
        if self._sent_since is not None and late > _LOOK_EVERY_SECONDS:
            # We were the ones who stood still; the answer may lie unread in the socket.
            self._sent_since = now
        elif self._sent_since is not None and now - self._sent_since > BACK_WITHIN_SECONDS:
            self._sent_since = None
            self._lost()
        elif self._sent_since is None and now - self._sent_at >= EVERY_SECONDS and self._ready():
            self._number += 1
            self._sent_since = self._sent_at = now
            self._publish(self.subscription.channel, b"%d" % self._number)


class PairOwner(Protocol):
    """What is called as a pair connects and disconnects."""

    def restored(self, names: Collection[str]) -> None:
        """All channels are confirmed; of these, messages may have been missed."""

    def publishing_again(self) -> None:
        """Publishing works; what was published in the last seconds may be lost."""

    def disconnected(self) -> None:
        """A publishing connection was lost."""

    def publish_failed(self, count: int) -> None:
        """So many messages were not, or perhaps not, published."""

    def reconnected(self) -> None:
        """A connection was made that was not the first."""

    def moved(self, *, unpublished: bool) -> None:
        """A server is out of reach or sends us elsewhere, perhaps with something we wanted to publish."""


class ConnectionPair:
    def __init__(self, locate: Locate, commands: PubSubCommands, canary_channel: str, owner: PairOwner) -> None:
        self._owner = owner
        self.canary_channel = canary_channel
        self._subscriptions: dict[bytes, Subscription] = {}
        self._missing: set[Subscription] = set()
        # Those that the server was asked for, the first asked for first.
        self._unconfirmed: dict[Subscription, None] = {}
        self._logged = False
        self._restored: list[Subscription] = []
        self._published = self._listened = False
        self._commands = commands
        self._publisher = ReconnectingConnection(
            locate, self._new_publisher, self._can_publish, self._disconnected, self._out_of_reach
        )
        self._listener = ReconnectingConnection(
            locate, self._new_listener, self._can_listen, self._interrupted, self._out_of_reach
        )
        self._canary = Canary(
            canary_channel, self.publish, self._can_send_canary, self.abort, self._look_at_unconfirmed
        )
        self.add(self._canary.subscription)

    def start(self) -> None:
        self._publisher.start()
        self._listener.start()
        self._canary.start()

    async def stop(self) -> None:
        self._canary.stop()
        await asyncio.gather(self._publisher.stop(), self._listener.stop())

    def abort(self) -> None:
        """Make both connections anew: one of them does not carry what it should."""
        self._publisher.abort()
        self._listener.abort()

    @property
    def up(self) -> bool:
        return self.publishing and self._listener.connection is not None and not self._missing

    @property
    def publishing(self) -> bool:
        return self._publisher.connection is not None

    @property
    def addresses(self) -> set[tuple[str, int]]:
        """Where the connections lead that are up now."""
        connections = (self._publisher, self._listener)
        found = (connection.endpoint for connection in connections if connection.connection is not None)
        return {(endpoint.host, endpoint.port) for endpoint in found if endpoint is not None}

    # --- publishing ---

    def publish(self, channel: bytes, payload: bytes) -> None:
        connection = self._publisher.connection
        if connection is None:
            self._owner.publish_failed(1)
        else:
            connection.publish(channel, payload)

    def _new_publisher(self) -> Publishing:
        return Publishing(self._commands, self._not_published)

    def _can_publish(self, connection: Publishing) -> None:
        if self._published:
            self._owner.reconnected()
        self._published = True
        self._owner.publishing_again()

    def _disconnected(self, connection: Publishing) -> None:
        self._canary.reset()
        self._owner.disconnected()
        if connection.unanswered:
            self._owner.publish_failed(len(connection.unanswered))

    def _not_published(self, channel: bytes, reason: str) -> None:
        self._owner.publish_failed(1)
        self._owner.moved(unpublished=True)

    # --- listening ---

    def add(self, subscription: Subscription) -> None:
        self._subscriptions[subscription.channel] = subscription
        connection = self._listener.connection
        if connection is None:
            subscription.missed = True
        if subscription.missed:
            self._missing.add(subscription)
        if connection is not None:
            self._subscribe(connection, subscription)

    def remove(self, subscription: Subscription) -> None:
        self._subscriptions.pop(subscription.channel, None)
        if self._listener.connection is not None:
            self._listener.connection.unsubscribe(subscription.channel)
        subscription.interrupt()
        self._found(subscription)

    def _can_send_canary(self) -> bool:
        return self.publishing and self._canary.subscription.confirmed

    @property
    def listening(self) -> bool:
        return self._listener.connection is not None

    def _new_listener(self) -> Listening:
        return Listening(self._commands, self._subscriptions, self._found, self._elsewhere)

    def _can_listen(self, connection: Listening) -> None:
        if self._listened:
            self._owner.reconnected()
        self._listened = True
        self._restored.clear()
        self._missing.update(self._subscriptions.values())
        for subscription in self._subscriptions.values():
            self._subscribe(connection, subscription)

    def _subscribe(self, connection: Listening, subscription: Subscription, *, again: bool = False) -> None:
        connection.subscribe(subscription, again=again)
        # In the order in which they were asked for last.
        self._unconfirmed.pop(subscription, None)
        self._unconfirmed[subscription] = None

    def _interrupted(self, connection: Listening) -> None:
        self._canary.reset()
        self._unconfirmed.clear()
        for subscription in self._subscriptions.values():
            subscription.interrupt()

    def _look_at_unconfirmed(self) -> None:
        connection, first = self._listener.connection, next(iter(self._unconfirmed), None)
        if connection is None:
            return
        if first is None:
            self._logged, connection.refusals = False, 0
            return
        due = asyncio.get_running_loop().time() - CONFIRMED_WITHIN_SECONDS
        if connection.refusals:
            if first.asked_at < due:
                self._ask_again(connection)
        elif max(first.asked_at, connection.answered_at) < due:
            # It answers in the order in which it was asked: many may take longer, if it goes on answering.
            self._listener.abort()

    def _ask_again(self, connection: Listening) -> None:
        """Which of them was refused is not known."""
        if not self._logged:
            self._logged = True
            log.warning("Redis refuses subscriptions; asking again", count=len(self._unconfirmed))
        connection.refusals = 0
        for subscription in tuple(self._unconfirmed):
            self._subscribe(connection, subscription, again=True)
        # Those that are whole again do not wait for these.
        self._hand_out_restored()

    def _found(self, subscription: Subscription) -> None:
        """Confirmed, or not wanted any more; once none is missing, the owner is called with those that missed some."""
        self._unconfirmed.pop(subscription, None)
        if subscription.confirmed:
            if subscription.missed:
                self._restored.append(subscription)
            subscription.wake(True)
        self._missing.discard(subscription)
        if not self._missing:
            self._hand_out_restored()

    def _hand_out_restored(self) -> None:
        restored, self._restored = self._restored, []
        for each in restored:
            each.missed = False
        names = [each.name for each in restored if each is not self._canary.subscription]
        if names:
            self._owner.restored(names)

    def _elsewhere(self, dropped: Subscription | None) -> None:
        if dropped is not None:
            # Its channel is another server's now, or this one's once more before that was looked at.
            dropped.interrupt()
            dropped.asked_at = asyncio.get_running_loop().time()
            self._missing.add(dropped)
            self._unconfirmed[dropped] = None
        self._owner.moved(unpublished=False)

    def _out_of_reach(self) -> None:
        self._owner.moved(unpublished=False)
