"""Publishing live events: encoded once, for the members here and for all other nodes. Handlers publish through this
alone; what watchers are sent of presence and slots is sent by those parts.

The replay window keeps what was published in the last seconds, and all since publishing failed: it may never have
arrived.
"""

from __future__ import annotations

import asyncio
from typing import Final, NamedTuple

from domain.presence import Choice
from domain.rooms import slots, user
from domain.slots import SlotHint
from domain.wire.events import ConversationNew, Event, MessageNew, MessageUpdated
from server.fanout import envelope
from server.fanout.delivery import Delivery
from server.fanout.slot_notifier import SlotNotifier
from server.fanout.subscriptions import EVERYONE, RoomSubscriptions, channel
from server.protocol import frames
from server.protocol.packets import encode
from server.pubsub.bus import Bus

ROTATE_SECONDS = 5.0
# Past this it is cheaper to have everybody ask.
MAX_REMEMBERED = 20_000

Heads = dict[str, tuple[int, tuple[str, ...]]]


class Remembered(NamedTuple):
    """``heads``: by conversation, its last entry and the rooms it went to; ``rooms``: those that got other events."""

    heads: Heads
    rooms: set[str]
    overflown: bool


class ReplayWindow:
    """Two generations, of which the older is dropped at each rotation."""

    def __init__(self) -> None:
        self._heads: Heads = {}
        self._rooms: set[str] = set()
        self._older: tuple[Heads, set[str]] = {}, set()
        self._overflown = False

    def entry(self, conversation_id: str, seq: int, rooms: tuple[str, ...]) -> None:
        self._heads[conversation_id] = (seq, rooms)

    def event(self, rooms: tuple[str, ...]) -> None:
        self._rooms.update(rooms)

    def rotate(self) -> None:
        """The older generation has arrived for certain."""
        self._older = self._heads, self._rooms
        self._heads, self._rooms = {}, set()
        self._overflown = False

    def bound(self) -> None:
        """Nothing arrives, and memory must not grow for as long as that lasts."""
        if len(self._heads) + len(self._rooms) > MAX_REMEMBERED:
            self._heads, self._rooms = {}, set()
            self._overflown = True

    def all(self) -> Remembered:
        heads, rooms = self._older
        return Remembered(heads | self._heads, rooms | self._rooms, self._overflown)


# Conversations of which this process remembers what it announced last.
MAX_ANNOUNCED = 50_000
_NEVER: Final = (-1, -1)
# When Redis returns, nodes do not return to it in the same instant: whoever comes later gets the heads again.
AGAIN_AFTER_SECONDS = (1.0, 2.5)


class ClusterPublisher:
    def __init__(
        self, bus: Bus, subscriptions: RoomSubscriptions, delivery: Delivery, slot_notifier: SlotNotifier
    ) -> None:
        self._bus = bus
        self._subscriptions = subscriptions
        self._delivery = delivery
        self._slot_notifier = slot_notifier
        self._node = bytes.fromhex(bus.node)
        self._replay_window = ReplayWindow()
        # By conversation: the last entry announced here, and the bus's epoch in which it was.
        self._announced: dict[str, tuple[int, int]] = {}
        self.published = 0
        self.republished = 0
        self._timers: list[asyncio.TimerHandle] = []
        bus.on_publishing(self._republish)

    def publish(self, event: Event, *rooms: str) -> None:
        self.published += 1
        packet = encode(event, event.namespace)
        if isinstance(event, (MessageNew, MessageUpdated)):
            message = self._entry(event.conversation_id, event.seq, packet, rooms)
        elif isinstance(event, ConversationNew):
            message = self._first_entry_event(event.conversation.id, packet, rooms)
        else:
            message = envelope.event(self._node, packet)
            frame = frames.text(packet)
            self._replay_window.event(rooms)
            for room in rooms:
                self._delivery.deliver(event.namespace, room, frame)
        for room in rooms:
            self._bus.publish(channel(room), message)

    def hint_slots(self, trainer_id: str, hint: SlotHint) -> None:
        room = slots(trainer_id)
        self._replay_window.event((room,))
        self._slot_notifier.take(trainer_id, hint)
        self._bus.publish(channel(room), envelope.slots(self._node, trainer_id, hint))

    def publish_choice(self, user_id: str, choice: Choice) -> None:
        """Have every node with devices of the person know what holds for all of them; never raises, never waits."""
        room = user(user_id)
        self._replay_window.event((room,))
        self._bus.publish(channel(room), envelope.choice(self._node, user_id, choice))

    def announce_head(self, conversation_id: str, seq: int, *rooms: str) -> None:
        """Whoever has no entry of that number, here or elsewhere, looks into the log."""
        message = envelope.head(self._node, conversation_id, seq)
        for room in rooms:
            buffer = self._subscriptions.buffer(room)
            if buffer is not None:
                buffer.head(conversation_id, seq)
            self._bus.publish(channel(room), message)

    def _entry(self, conversation_id: str, seq: int, packet: bytes, rooms: tuple[str, ...]) -> bytes:
        """Deliver an entry here; answers what to publish."""
        announced, epoch = self._announced.get(conversation_id, _NEVER)
        follows = announced == seq - 1
        if announced < seq:
            self._announce(conversation_id, seq)
        self._replay_window.entry(conversation_id, seq, rooms)
        frame = None
        for room in rooms:
            buffer = self._subscriptions.buffer(room)
            if buffer is not None:
                if frame is None:
                    frame = frames.text(packet)
                buffer.entry(conversation_id, seq, frame, follows)
        chained = follows and epoch == self._bus.epoch
        return envelope.entry(self._node, conversation_id, seq, chained, packet)

    def _first_entry_event(self, conversation_id: str, packet: bytes, rooms: tuple[str, ...]) -> bytes:
        """Deliver here what comes before a conversation's first entry; answers what to publish."""
        self._replay_window.event(rooms)
        frame = frames.text(packet)
        for room in rooms:
            if (buffer := self._subscriptions.buffer(room)) is not None:
                buffer.first_entry_event(conversation_id, frame)
        return envelope.first_entry_event(self._node, conversation_id, packet)

    def _announce(self, conversation_id: str, seq: int) -> None:
        if len(self._announced) >= MAX_ANNOUNCED:
            # Forgetting costs each conversation one look into the log; a BoundedMap would cost each message more.
            self._announced.clear()
        self._announced[conversation_id] = (seq, self._bus.epoch)

    # --- after an interruption ---

    async def rotate(self) -> None:
        """Called every few seconds, so that what has arrived can be forgotten."""
        if self._bus.publishing:
            self._replay_window.rotate()
        else:
            self._replay_window.bound()

    def _republish(self) -> None:
        """Publish how far each conversation got: whoever lacks entries fetches them from the log."""
        heads, rooms, overflown = self._replay_window.all()
        if overflown:
            self._bus.publish(EVERYONE, envelope.resync(self._node))
        message = envelope.resync(self._node)
        for room in rooms:
            self._bus.publish(channel(room), message)
        self._publish_heads(heads)
        if heads:
            self._again_at(AGAIN_AFTER_SECONDS)

    def _again_at(self, delays: tuple[float, ...]) -> None:
        for timer in self._timers:
            timer.cancel()
        loop = asyncio.get_running_loop()
        self._timers = [loop.call_later(delay, self._again) for delay in delays]

    def _again(self) -> None:
        self._publish_heads(self._replay_window.all().heads)

    def _publish_heads(self, heads: Heads) -> None:
        self.republished += len(heads)
        for conversation_id, (seq, rooms) in heads.items():
            message = envelope.head(self._node, conversation_id, seq)
            for room in rooms:
                self._bus.publish(channel(room), message)
