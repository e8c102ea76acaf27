"""The connection that listens."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import hiredis
import structlog

from server.fanout.connection import Connection
from server.fanout.dialect import Dialect
from server.fanout.endpoint import command
from server.fanout.subscription import Subscription
from server.observability.crashes import crash

log = structlog.get_logger("fanout")


class Listening(Connection):
    """``confirmed`` hears of each subscription that stands, ``refused`` of those the server did not want or dropped."""

    def __init__(
        self,
        dialect: Dialect,
        subscriptions: Mapping[bytes, Subscription],
        confirmed: Callable[[Subscription], None],
        refused: Callable[[], None],
    ) -> None:
        super().__init__()
        self._dialect = dialect
        self._message, self._subscribed = dialect.message, dialect.subscribed
        self._subscriptions = subscriptions
        self._confirmed = confirmed
        self._refused = refused
        self._leaving: Counter[bytes] = Counter()

    def subscribe(self, subscription: Subscription) -> None:
        subscription.awaited += 1
        self.write(command(self._dialect.subscribe, subscription.channel))

    def unsubscribe(self, channel: bytes) -> None:
        self._leaving[channel] += 1
        self.write(command(self._dialect.unsubscribe, channel))

    def replied(self, reply: Any) -> None:
        if isinstance(reply, hiredis.ReplyError):
            # A channel that moved to another server of the cluster, or one we may not listen to.
            self._refused()
            return
        kind, channel, value = reply
        subscription = self._subscriptions.get(channel)
        if kind == self._message:
            if subscription is not None:
                self._deliver(subscription, value)
        elif kind == self._subscribed:
            if subscription is not None:
                self._confirm(subscription)
        elif self._leaving[channel] > 1:
            self._leaving[channel] -= 1
        elif not self._leaving.pop(channel, 0):
            # The server ended it by itself: the slot is another's now.
            self._refused()

    @staticmethod
    def _deliver(subscription: Subscription, payload: bytes) -> None:
        try:
            subscription.receive(payload)
        except Exception as error:
            # One receiver's fault must not end the connection of all others.
            log.error("receiving failed", **crash(error))

    def _confirm(self, subscription: Subscription) -> None:
        subscription.awaited -= 1
        if subscription.awaited == 0:
            subscription.stands = True
            self._confirmed(subscription)
