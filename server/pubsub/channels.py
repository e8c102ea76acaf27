"""Redis pub/sub, plain and sharded: its commands, a subscription, the publishing and the listening connection.

Publishing is pipelined, and every reply accounted for.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import hiredis
import structlog

from server.observability.logging import safe_traceback
from server.pubsub.addresses import command
from server.pubsub.connection import RedisConnection

log = structlog.get_logger("fanout")

Receive = Callable[[bytes], None]


@dataclass(frozen=True, slots=True)
class PubSubCommands:
    publish: str
    subscribe: bytes
    unsubscribe: bytes
    message: bytes

    @property
    def subscribed(self) -> bytes:
        return self.subscribe.lower()


PLAIN = PubSubCommands("PUBLISH", b"SUBSCRIBE", b"UNSUBSCRIBE", b"message")
SHARDED = PubSubCommands("SPUBLISH", b"SSUBSCRIBE", b"SUNSUBSCRIBE", b"smessage")


class Subscription:
    """``confirmed`` while the server has it; ``missed`` if messages may have been missed since it was wanted.
    ``asked_at``: when the server was last asked for it, by the loop's time."""

    __slots__ = ("asked_at", "channel", "confirmed", "missed", "name", "receive", "waiters")

    def __init__(self, name: str, receive: Receive) -> None:
        self.name = name
        self.channel = name.encode()
        self.receive = receive
        self.asked_at = 0.0
        self.confirmed = False
        self.missed = False
        self.waiters: list[asyncio.Future[bool]] = []

    def wake(self, confirmed: bool) -> None:
        waiters, self.waiters = self.waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(confirmed)

    def interrupt(self) -> None:
        """The server does not have it any more."""
        self.confirmed = False
        self.missed = True
        self.wake(False)


class Publishing(RedisConnection):
    """``failed`` gets each channel whose message the server refused."""

    def __init__(self, commands: PubSubCommands, failed: Callable[[bytes, str], None]) -> None:
        super().__init__()
        word = commands.publish.encode()
        self._form = b"*3\r\n$%d\r\n%b\r\n$%%d\r\n%%b\r\n$%%d\r\n" % (len(word), word)
        self._failed = failed
        self.unanswered: deque[bytes] = deque()

    def publish(self, channel: bytes, payload: bytes) -> None:
        self.unanswered.append(channel)
        self._outgoing += (self._form % (len(channel), channel, len(payload)), payload, b"\r\n")
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._flush)

    def replied(self, reply: Any) -> None:
        channel = self.unanswered.popleft()
        if isinstance(reply, hiredis.ReplyError):
            self._failed(channel, str(reply))


class Listening(RedisConnection):
    """``on_confirmed`` gets each confirmed subscription; ``refused`` is called when the server refuses one, which it
    does not name, and with each that it drops. ``answered_at``: when it last answered what it was asked for, by the
    loop's time; ``refusals``: how often it refused or dropped one, until somebody resets it."""

    def __init__(
        self,
        commands: PubSubCommands,
        subscriptions: Mapping[bytes, Subscription],
        on_confirmed: Callable[[Subscription], None],
        refused: Callable[[Subscription | None], None],
    ) -> None:
        super().__init__()
        self._commands = commands
        self._message, self._subscribed = commands.message, commands.subscribed
        self._subscriptions = subscriptions
        self._on_confirmed = on_confirmed
        self._refused = refused
        # Answers on their way: a channel may be left and wanted again before the first arrives.
        self._asked: Counter[bytes] = Counter()
        self._leaving: Counter[bytes] = Counter()
        self.answered_at = 0.0
        self.refusals = 0

    def subscribe(self, subscription: Subscription, *, again: bool = False) -> None:
        """``again``: what was asked for before may have been refused; if it was not, nothing changes."""
        self._asked[subscription.channel] = 1 if again else self._asked[subscription.channel] + 1
        subscription.asked_at = self._loop.time()
        self.write(command(self._commands.subscribe, subscription.channel))

    def unsubscribe(self, channel: bytes) -> None:
        self._leaving[channel] += 1
        self.write(command(self._commands.unsubscribe, channel))

    def replied(self, reply: Any) -> None:
        if isinstance(reply, hiredis.ReplyError):
            # A channel that moved to another server of the cluster, or one we may not listen to.
            self.answered_at = self._loop.time()
            self.refusals += 1
            self._refused(None)
            return
        kind, channel, value = reply
        subscription = self._subscriptions.get(channel)
        if kind == self._message:
            if subscription is not None:
                self._deliver(subscription, value)
        elif kind == self._subscribed:
            self.answered_at = self._loop.time()
            self._confirm(channel, subscription)
        elif self._leaving[channel] > 1:
            self._leaving[channel] -= 1
        elif not self._leaving.pop(channel, 0):
            # The server ended it by itself: the slot is another's now.
            self.refusals += 1
            self._refused(subscription)

    @staticmethod
    def _deliver(subscription: Subscription, payload: bytes) -> None:
        try:
            subscription.receive(payload)
        except Exception as error:
            # One receiver's fault must not end the connection of all others.
            log.error("receiving failed", **safe_traceback(error))

    def _confirm(self, channel: bytes, subscription: Subscription | None) -> None:
        if self._asked[channel] > 1:
            self._asked[channel] -= 1
            return
        self._asked.pop(channel, None)
        if subscription is not None and not subscription.confirmed:
            subscription.confirmed = True
            self._on_confirmed(subscription)
