"""The rooms with members here: one channel each, and a reorder buffer that keeps the order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from functools import partial

from domain import rooms
from server.fanout import envelope
from server.fanout.delivery import Delivery
from server.fanout.envelope import Envelope, Kind
from server.fanout.gaps import GapFiller
from server.fanout.reorder import ReorderBuffer
from server.fanout.slot_notifier import SlotNotifier
from server.protocol import frames
from server.pubsub.bus import Bus

# People who reconnect, or walk from page to page, do not cost a subscription each time.
LINGER_SECONDS = 5.0
EVERYONE = "spotter:{everyone}"
_PREFIX, _SUFFIX = "spotter:{", "}"


def channel(room: str) -> str:
    """In braces, so that a cluster keeps a room's channel and keys together."""
    return f"spotter:{{{room}}}"


class RoomSubscription:
    """``users``: members, and those who are about to be."""

    __slots__ = ("buffer", "linger", "room", "subscribed", "users")

    def __init__(self, room: str, buffer: ReorderBuffer, subscribed: asyncio.Future[bool]) -> None:
        self.room = room
        self.buffer = buffer
        self.subscribed = subscribed
        self.users = 0
        self.linger: asyncio.TimerHandle | None = None


class RoomSubscriptions:
    """``on_head`` is called with how far other nodes have written a conversation."""

    def __init__(
        self,
        bus: Bus,
        delivery: Delivery,
        filler: GapFiller,
        slots: SlotNotifier,
        on_head: Callable[[str, int], None],
        linger: float = LINGER_SECONDS,
    ) -> None:
        self._bus = bus
        self._delivery = delivery
        self._filler = filler
        self._slots = slots
        self._on_head = on_head
        self._linger = linger
        self._node = bytes.fromhex(bus.node)
        self._subscriptions: dict[str, RoomSubscription] = {}
        self._loop = asyncio.get_running_loop()
        bus.on_restored(self._restored)

    async def start(self) -> None:
        await self._bus.subscribe(EVERYONE, self._everyone)

    @property
    def count(self) -> int:
        return len(self._subscriptions)

    def buffer(self, room: str) -> ReorderBuffer | None:
        subscription = self._subscriptions.get(room)
        return None if subscription is None else subscription.buffer

    # --- the life of a subscription ---

    def enter(self, room: str) -> asyncio.Future[bool]:
        """Listen for as long as somebody has entered; ``leave`` as often.

        Wait for the answer, a second at most, and the subscription is confirmed; if it is false, members get
        ``sync:required`` once it is.
        """
        subscription = self._subscriptions.get(room)
        if subscription is None:
            subscription = self._subscriptions[room] = self._subscribe(room)
        subscription.users += 1
        if subscription.linger is not None:
            subscription.linger.cancel()
            subscription.linger = None
        return subscription.subscribed

    def leave(self, room: str) -> None:
        subscription = self._subscriptions[room]
        subscription.users -= 1
        if subscription.users == 0:
            subscription.linger = self._loop.call_later(self._linger, self._drop, subscription)

    def _subscribe(self, room: str) -> RoomSubscription:
        buffer = ReorderBuffer(room, self._delivery, self._filler)
        return RoomSubscription(room, buffer, self._loop.create_task(self._open(buffer)))

    async def _open(self, buffer: ReorderBuffer) -> bool:
        subscribe = self._bus.subscribe(channel(buffer.room), partial(self._received, buffer))
        if not rooms.is_user(buffer.room):
            return await subscribe
        # Done before anybody's connect is acknowledged, hence before its first `sync`.
        subscribed, _ = await asyncio.gather(subscribe, self._filler.begin(buffer))
        return subscribed

    def _drop(self, subscription: RoomSubscription) -> None:
        del self._subscriptions[subscription.room]
        subscription.buffer.close()
        self._bus.unsubscribe(channel(subscription.room))

    # --- what arrives ---

    def _received(self, buffer: ReorderBuffer, payload: bytes) -> None:
        if payload[envelope.NODE] == self._node:
            return
        try:
            received = envelope.read(payload)
        except envelope.Garbage:
            self._delivery.counters.garbage += 1
            return
        if received.kind == Kind.ENTRY:
            self._on_head(received.subject, received.seq)
            buffer.entry(received.subject, received.seq, frames.text(received.packet), received.chained)
        elif received.kind == Kind.EVENT:
            self._delivery.deliver(received.namespace, buffer.room, frames.text(received.packet))
        elif received.kind == Kind.HEAD:
            self._on_head(received.subject, received.seq)
            buffer.head(received.subject, received.seq)
        elif received.kind == Kind.SLOTS:
            self._hinted(received)
        else:
            buffer.resync()

    def _hinted(self, received: Envelope) -> None:
        try:
            self._slots.take(received.subject, envelope.read_hint(received.packet))
        except envelope.Garbage:
            self._delivery.counters.garbage += 1

    def _everyone(self, payload: bytes) -> None:
        if payload[envelope.NODE] == self._node:
            return
        try:
            envelope.read(payload)
        except envelope.Garbage:
            self._delivery.counters.garbage += 1
            return
        self._catch_up(tuple(self._subscriptions.values()))

    def _restored(self, names: Collection[str]) -> None:
        if EVERYONE in names:
            # On a cluster only this channel may have missed messages; what is published on it concerns all.
            self._catch_up(tuple(self._subscriptions.values()))
        else:
            restored = (name[len(_PREFIX) : -len(_SUFFIX)] for name in names)
            self._catch_up([found for room in restored if (found := self._subscriptions.get(room)) is not None])

    def _catch_up(self, subscriptions: Collection[RoomSubscription]) -> None:
        """Something may be missing: fetch what can be fetched, and have the members ask for the rest."""
        for subscription in subscriptions:
            subscription.buffer.resync()
        self._filler.catch_up([subscription.buffer for subscription in subscriptions])
