"""A message to ourselves each second: if it does not come back, a connection is dead without saying so.

Our two connections to one Redis server, one that publishes and one that listens, and a canary between them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from typing import Protocol

from server.pubsub.channels import Listening, Publishing, PubSubCommands, Subscription
from server.pubsub.connection import Locate, ReconnectingConnection

EVERY_SECONDS = 1.0
BACK_WITHIN_SECONDS = 1.5
_LOOK_EVERY_SECONDS = 0.25


class Canary:
    """Flies while ``ready``; ``lost`` is called when one did not come back."""

    def __init__(
        self,
        channel: str,
        publish: Callable[[bytes, bytes], None],
        ready: Callable[[], bool],
        lost: Callable[[], None],
    ) -> None:
        self.subscription = Subscription(channel, self._back)
        self._publish = publish
        self._ready = ready
        self._lost = lost
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._number = 0
        self._flying_since: float | None = None
        self._sent_at = self._looked_at = 0.0

    def start(self) -> None:
        self._looked_at = self._loop.time()
        self._timer = self._loop.call_later(_LOOK_EVERY_SECONDS, self._look)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def rest(self) -> None:
        """A connection is known to be lost: nothing is to be expected."""
        self._flying_since = None

    def _back(self, payload: bytes) -> None:
        if payload == b"%d" % self._number:
            self._flying_since = None

    def _look(self) -> None:
        now = self._loop.time()
        late = now - self._looked_at - _LOOK_EVERY_SECONDS
        self._looked_at = now
        self._timer = self._loop.call_later(_LOOK_EVERY_SECONDS, self._look)
        if self._flying_since is not None and late > _LOOK_EVERY_SECONDS:
            # We were the ones who stood still; the answer may lie unread in the socket.
            self._flying_since = now
        elif self._flying_since is not None and now - self._flying_since > BACK_WITHIN_SECONDS:
            self._flying_since = None
            self._lost()
        elif self._flying_since is None and now - self._sent_at >= EVERY_SECONDS and self._ready():
            self._number += 1
            self._flying_since = self._sent_at = now
            self._publish(self.subscription.channel, b"%d" % self._number)


class Owner(Protocol):
    """What hears of a link's ups and downs."""

    def heard_again(self, names: Collection[str]) -> None:
        """All channels stand; these were deaf for a while."""

    def speaks_again(self) -> None:
        """Publishing works; what was published in the last seconds may be lost."""

    def muted(self) -> None:
        """A publishing connection was lost."""

    def publish_failed(self, count: int) -> None:
        """So many messages were not, or perhaps not, published."""

    def reconnected(self) -> None:
        """A connection was made that was not the first."""

    def misplaced(self, *, unpublished: bool) -> None:
        """A server is out of reach or sends us elsewhere, perhaps with something we wanted to publish."""


class ConnectionPair:
    def __init__(self, locate: Locate, dialect: PubSubCommands, canary_channel: str, owner: Owner) -> None:
        self._owner = owner
        self.canary_channel = canary_channel
        self._subscriptions: dict[bytes, Subscription] = {}
        self._missing: set[Subscription] = set()
        self._restored: list[Subscription] = []
        self._spoke = self._heard = False
        self._dialect = dialect
        self._publisher = ReconnectingConnection(locate, self._new_publisher, self._can_speak, self._mute, self._out_of_reach)
        self._listener = ReconnectingConnection(locate, self._new_listener, self._can_listen, self._deafened, self._out_of_reach)
        self._canary = Canary(canary_channel, self.publish, self._can_fly, self.abort)
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
        return self.speaking and self._listener.connection is not None and not self._missing

    @property
    def speaking(self) -> bool:
        return self._publisher.connection is not None

    @property
    def addresses(self) -> set[tuple[str, int]]:
        """Where the connections lead that stand now."""
        lines = (self._publisher, self._listener)
        found = (line.endpoint for line in lines if line.connection is not None)
        return {(endpoint.host, endpoint.port) for endpoint in found if endpoint is not None}

    # --- publishing ---

    def publish(self, channel: bytes, payload: bytes) -> None:
        connection = self._publisher.connection
        if connection is None:
            self._owner.publish_failed(1)
        else:
            connection.publish(channel, payload)

    def _new_publisher(self) -> Publishing:
        return Publishing(self._dialect, self._not_published)

    def _can_speak(self, connection: Publishing) -> None:
        if self._spoke:
            self._owner.reconnected()
        self._spoke = True
        self._owner.speaks_again()

    def _mute(self, connection: Publishing) -> None:
        self._canary.rest()
        self._owner.muted()
        if connection.unanswered:
            self._owner.publish_failed(len(connection.unanswered))

    def _not_published(self, channel: bytes, reason: str) -> None:
        self._owner.publish_failed(1)
        self._owner.misplaced(unpublished=True)

    # --- listening ---

    def add(self, subscription: Subscription) -> None:
        self._subscriptions[subscription.channel] = subscription
        connection = self._listener.connection
        if connection is None:
            subscription.deaf = True
        if subscription.deaf:
            self._missing.add(subscription)
        if connection is not None:
            connection.subscribe(subscription)

    def remove(self, subscription: Subscription) -> None:
        self._subscriptions.pop(subscription.channel, None)
        if self._listener.connection is not None:
            self._listener.connection.unsubscribe(subscription.channel)
        subscription.interrupt()
        self._found(subscription)

    def _can_fly(self) -> bool:
        return self.speaking and self._canary.subscription.stands

    @property
    def listening(self) -> bool:
        return self._listener.connection is not None

    def _new_listener(self) -> Listening:
        return Listening(self._dialect, self._subscriptions, self._found, self._elsewhere)

    def _can_listen(self, connection: Listening) -> None:
        if self._heard:
            self._owner.reconnected()
        self._heard = True
        self._restored.clear()
        self._missing.update(self._subscriptions.values())
        for subscription in self._subscriptions.values():
            connection.subscribe(subscription)

    def _deafened(self, connection: Listening) -> None:
        self._canary.rest()
        for subscription in self._subscriptions.values():
            subscription.interrupt()

    def _found(self, subscription: Subscription) -> None:
        """It stands, or is not wanted any more; once none is missing, those that were deaf are told of."""
        if subscription.stands:
            if subscription.deaf:
                self._restored.append(subscription)
            subscription.wake(True)
        self._missing.discard(subscription)
        if not self._missing and self._restored:
            restored, self._restored = self._restored, []
            for each in restored:
                each.deaf = False
            names = [each.name for each in restored if each is not self._canary.subscription]
            if names:
                self._owner.heard_again(names)

    def _elsewhere(self) -> None:
        self._owner.misplaced(unpublished=False)

    def _out_of_reach(self) -> None:
        self._owner.misplaced(unpublished=False)
