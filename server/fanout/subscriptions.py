"""The rooms with members here: one channel each, and a buffer that keeps the order."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Collection
from functools import partial

from domain import rooms
from domain.presence import Choice
from server.callbacks import notify_all
from server.fanout import envelope
from server.fanout.delivery import Delivery
from server.fanout.envelope import Envelope, EnvelopeKind
from server.fanout.gaps import GapFiller
from server.fanout.reorder import Joined, ReorderBuffer
from server.fanout.slot_notifier import SlotNotifier
from server.protocol import frames
from server.pubsub.bus import Bus

# People who reconnect, or walk from page to page, do not cost a subscription each time.
LINGER_SECONDS = 5.0
# After an interruption `sync:required` is spread over so long: the members of all rooms ask for much.
RESYNC_SPREAD_SECONDS = 2.0
EVERYONE = "spotter:{everyone}"
_PREFIX, _SUFFIX = "spotter:{", "}"


async def no_position() -> None:
    """A room that receives no conversations needs no place in the order of commits."""


def channel(room: str) -> str:
    """In braces, so that a cluster keeps a room's channel and keys together."""
    return f"spotter:{{{room}}}"


class RoomSubscription:
    """``users``: members, and those who are about to be."""

    __slots__ = ("buffer", "linger", "resync", "room", "subscribed", "users")

    def __init__(self, room: str, buffer: ReorderBuffer, subscribed: asyncio.Future[bool]) -> None:
        self.room = room
        self.buffer = buffer
        self.subscribed = subscribed
        self.users = 0
        self.linger: asyncio.TimerHandle | None = None
        self.resync: asyncio.TimerHandle | None = None

    def cancel_timers(self) -> None:
        for timer in (self.linger, self.resync):
            if timer is not None:
                timer.cancel()
        self.linger = self.resync = None


class RoomSubscriptions:
    """``on_head`` is called with how far other nodes have written a conversation."""

    def __init__(
        self,
        bus: Bus,
        delivery: Delivery,
        filler: GapFiller,
        slots: SlotNotifier,
        on_head: Callable[[str, int], None],
    ) -> None:
        self._bus = bus
        self._delivery = delivery
        self._filler = filler
        self._slots = slots
        self._on_head = on_head
        # Whoever registers publishes through this, and is made after it.
        self._choice: list[Callable[[str, Choice], object]] = []
        self._missed: list[Callable[[str], object]] = []
        self._linger = LINGER_SECONDS
        self._node = bytes.fromhex(bus.node)
        self._subscriptions: dict[str, RoomSubscription] = {}
        self._loop = asyncio.get_running_loop()
        bus.on_restored(self._restored)

    def on_choice(self, callback: Callable[[str, Choice], object]) -> None:
        """Call it with what people chose on other nodes."""
        self._choice.append(callback)

    def on_missed(self, callback: Callable[[str], object]) -> None:
        """Call it with those of whom something may not have arrived."""
        self._missed.append(callback)

    async def start(self) -> None:
        await self._bus.subscribe(EVERYONE, self._everyone)

    def stop(self) -> None:
        """No timer outlives the node."""
        for subscription in self._subscriptions.values():
            subscription.cancel_timers()

    @property
    def count(self) -> int:
        return len(self._subscriptions)

    def buffer(self, room: str) -> ReorderBuffer | None:
        subscription = self._subscriptions.get(room)
        return None if subscription is None else subscription.buffer

    # --- the life of a subscription ---

    def enter(self, room: str) -> asyncio.Future[bool]:
        """Listen for as long as somebody has entered; ``leave`` as often.

        Wait for the answer, a second at most: true once subscribed; if it is false, members will receive
        ``sync:required`` once it is.
        """
        subscription = self._subscriptions.get(room)
        if subscription is None:
            subscription = self._subscriptions[room] = self._new_subscription(room)
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

    def _new_subscription(self, room: str) -> RoomSubscription:
        # Only people's rooms receive conversations.
        joining = self._loop.create_task(self._filler.join() if rooms.is_user(room) else no_position())
        buffer = ReorderBuffer(room, joining, self._delivery, self._filler)
        receive = partial(self._received, buffer)
        return RoomSubscription(room, buffer, self._loop.create_task(self._subscribe(room, receive, joining)))

    async def _subscribe(
        self, room: str, receive: Callable[[bytes], None], joining: asyncio.Task[Joined | None]
    ) -> bool:
        """Returns when both are known, so that whoever syncs after it syncs after the room came."""
        confirmed, _ = await asyncio.gather(self._bus.subscribe(channel(room), receive), joining)
        return confirmed

    def _drop(self, subscription: RoomSubscription) -> None:
        del self._subscriptions[subscription.room]
        subscription.cancel_timers()
        subscription.buffer.close()
        self._bus.unsubscribe(channel(subscription.room))

    # --- what arrives ---

    def _received(self, buffer: ReorderBuffer, payload: bytes) -> None:
        if payload[envelope.NODE] == self._node:
            return
        try:
            received = envelope.read(payload)
        except envelope.InvalidEnvelope:
            self._delivery.counters.garbage += 1
            return
        if received.kind == EnvelopeKind.ENTRY:
            self._on_head(received.subject, received.seq)
            buffer.entry(received.subject, received.seq, frames.text(received.packet), received.chained)
        elif received.kind == EnvelopeKind.EVENT and received.seq:
            buffer.first_entry_event(received.subject, frames.text(received.packet))
        elif received.kind == EnvelopeKind.EVENT:
            self._delivery.deliver(received.namespace, buffer.room, frames.text(received.packet))
        elif received.kind == EnvelopeKind.HEAD:
            self._on_head(received.subject, received.seq)
            buffer.head(received.subject, received.seq)
        elif received.kind == EnvelopeKind.SLOTS:
            self._hinted(received)
        elif received.kind == EnvelopeKind.CHOICE:
            self._chosen(received)
        elif (subscription := self._subscriptions.get(buffer.room)) is not None:
            self._resync_soon(subscription)

    def _hinted(self, received: Envelope) -> None:
        try:
            self._slots.take(received.subject, envelope.read_hint(received.packet))
        except envelope.InvalidEnvelope:
            self._delivery.counters.garbage += 1

    def _chosen(self, received: Envelope) -> None:
        try:
            choice = envelope.read_choice(received.packet)
        except envelope.InvalidEnvelope:
            self._delivery.counters.garbage += 1
            return
        notify_all(self._choice, received.subject, choice)

    def _everyone(self, payload: bytes) -> None:
        if payload[envelope.NODE] == self._node:
            return
        try:
            envelope.read(payload)
        except envelope.InvalidEnvelope:
            self._delivery.counters.garbage += 1
            return
        self._catch_up(tuple(self._subscriptions.values()))

    def _restored(self, names: Collection[str]) -> None:
        if EVERYONE in names:
            # On a cluster only this channel may have been interrupted; what was published on it concerns all.
            self._catch_up(tuple(self._subscriptions.values()))
        else:
            restored = (name[len(_PREFIX) : -len(_SUFFIX)] for name in names)
            known = (self._subscriptions.get(room) for room in restored)
            self._catch_up([subscription for subscription in known if subscription is not None])

    def resync(self) -> None:
        """Nothing was delivered for a while: every member has to ask what it missed."""
        self._catch_up(tuple(self._subscriptions.values()))

    def _catch_up(self, subscriptions: Collection[RoomSubscription]) -> None:
        """Something may be missing: fetch what can be fetched, and have the members ask for the rest."""
        self._filler.catch_up([subscription.buffer for subscription in subscriptions])
        for subscription in subscriptions:
            self._resync_soon(subscription)

    def _resync_soon(self, subscription: RoomSubscription) -> None:
        """Once: who asks after it receives all that was missed until then."""
        if rooms.is_user(subscription.room):
            notify_all(self._missed, rooms.user_of(subscription.room))
        if subscription.resync is None:
            delay = random.uniform(0.0, RESYNC_SPREAD_SECONDS)
            subscription.resync = self._loop.call_later(delay, self._resync, subscription)

    @staticmethod
    def _resync(subscription: RoomSubscription) -> None:
        subscription.resync = None
        subscription.buffer.resync()
