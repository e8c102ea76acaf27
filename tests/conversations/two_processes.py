"""Two real processes: each person has a device at both, and what is received has to be the same at both."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import datetime
from itertools import count, cycle
from typing import Any

from redis.asyncio import Redis

from domain import rooms
from domain.accounts import Role
from domain.wire.events import CONVERSATIONS
from server.app import utc_now
from server.fanout import envelope
from server.fanout.subscriptions import channel
from server.security.tokens import AccessTokens
from store.database import Database
from store.store import Store
from tests.conversations.services import Caller, ConversationService, Received
from tests.harness.devices import TIMEOUT_SECONDS, Data, Device
from tests.harness.nodes import SECRET
from tests.harness.people import People, Person
from tests.together.two_processes import NODES, Deployment

ENTRIES = ("message:new", "message:updated")
_MARK = "test:mark"
# Whoever's subscription was slow to stand is told so; nobody had said anything before it stood.
_NOT_SAID = (_MARK, "sync:required")


class TwoProcessService(ConversationService):
    """``connect`` connects a person at a node, over some transport."""

    def __init__(
        self, database: Database, redis: Redis, connect: Callable[[Person, int], Coroutine[Any, Any, Device]]
    ) -> None:
        self.store = Store(database)
        self._redis = redis
        self._connect = connect
        self._devices: dict[str, list[Device]] = {}
        self._callers: Counter[str] = Counter()
        self._marks = count(1)
        self._spoke: set[Device] = set()
        self.people = ConnectedPeople(self, utc_now)

    def device(self, person: Person) -> ConnectedCaller:
        """The first device of everybody is at one node, the next at the other, and so on."""
        self._callers[person.id] += 1
        return ConnectedCaller(self, person, self._devices[person.id][(self._callers[person.id] - 1) % NODES])

    def another(self) -> TwoProcessService:
        return self

    async def settled(self) -> None:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            # What another process writes behind, and says nobody of.
            while await self._behind():  # noqa: ASYNC110
                await asyncio.sleep(0.02)

    async def arrive(self, person: Person) -> None:
        """Before anybody can write to the person: when both nodes are subscribed to what the other publishes."""
        self._devices[person.id] = list(await asyncio.gather(*(self._connect(person, node) for node in range(NODES))))
        name = channel(rooms.user(person.id))
        async with asyncio.timeout(TIMEOUT_SECONDS):
            # A node waits a second for its subscription, and then admits the device without it.
            while (await self._redis.pubsub_numsub(name))[0][1] < NODES:  # noqa: ASYNC110
                await asyncio.sleep(0.02)

    async def say(self, device: Device, event: str, data: object) -> Data:
        self._spoke.add(device)
        return await device.ask(event, data)

    async def told(self, person: Person) -> list[Received]:
        """What is on its way has arrived when a mark has that was said later, and every entry of the logs has."""
        spoke, self._spoke = self._spoke, set()
        # A process answers after it has published what it published before.
        await asyncio.gather(*(device.ask("test:nothing", {}) for device in spoke))
        # And Redis, once it has answered anything, has read what had reached it before.
        await self._redis.ping()
        mark = next(self._marks)
        packet = f'2{CONVERSATIONS},["{_MARK}",{{"number":{mark}}}]'
        await self._redis.publish(channel(rooms.user(person.id)), envelope.event(b"the test", packet.encode()))
        heads = await self._heads(person)
        await asyncio.gather(*(self._received(device, mark, heads) for device in self._devices[person.id]))
        one, other = self._compared(person)
        # What has no number may still be overtaken by the mark on its way between processes.
        with suppress(TimeoutError):
            async with asyncio.timeout(TIMEOUT_SECONDS):
                while _parts(one) != _parts(other):
                    await asyncio.sleep(0.02)
                    one, other = self._compared(person)
        assert _parts(one) == _parts(other), f"{one}\n{other}"
        return one if mark % NODES else other

    async def _heads(self, person: Person) -> dict[str, int]:
        heads = await self.store.log.read.heads(await self.store.conversations.all_ids(person.id))
        return {conversation: head for conversation, head in heads.items() if head}

    def _compared(self, person: Person) -> tuple[list[Received], list[Received]]:
        one, other = (_said(device) for device in self._devices[person.id])
        return as_published(one, other), as_published(other, one)

    async def _received(self, device: Device, mark: int, heads: dict[str, int]) -> None:
        def complete(device: Device) -> bool:
            marks = [data["number"] for name, data in device.received if name == _MARK]
            return mark in marks and all(_head_of(device, i) >= head for i, head in heads.items())

        await device.until(complete)

    async def _behind(self) -> bool:
        ids = [i for person_id in self._devices for i in await self.store.conversations.all_ids(person_id)]
        records = await self.store.conversations.records(ids)
        heads = await self.store.log.read.heads(ids)
        return any(record.head < heads[i] for i, record in records.items())


class ConnectedCaller(Caller):
    def __init__(self, messaging: TwoProcessService, person: Person, device: Device) -> None:
        super().__init__(person)
        self._service = messaging
        self._device = device

    async def ask(self, event: str, data: object) -> Data:
        return await self._service.say(self._device, event, data)

    async def told(self) -> list[Received]:
        return await self._service.told(self.person)


class ConnectedPeople(People):
    """People who are connected from the moment they are made."""

    def __init__(self, messaging: TwoProcessService, clock: Callable[[], datetime]) -> None:
        super().__init__(messaging.store, AccessTokens(SECRET), clock)
        self._service = messaging

    async def make(self, role: Role = "client", *, name: str | None = None, verified: bool = True) -> Person:
        person = await super().make(role, name=name, verified=verified)
        if verified:
            await self._service.arrive(person)
        return person


def _said(device: Device) -> list[Received]:
    return [(name, data) for name, data in device.received if name not in _NOT_SAID]


def _head_of(device: Device, conversation_id: str) -> int:
    """Entries come in order: the last one received is the highest."""
    for name, data in reversed(device.received):
        if name in ENTRIES and data["conversationId"] == conversation_id:
            return int(data["seq"])
    return 0


def as_published(received: Sequence[Received], elsewhere: Sequence[Received]) -> list[Received]:
    """What was received, with the other device's state of a message where this device has a later one.

    An entry that is held up for longer than ``HOLD_SECONDS`` between the nodes, as it may be on a busy machine, is
    fetched from the log, and shows its message as that is by then: changed as a later entry shows it, or seen.
    """
    published = {(data["conversationId"], data["seq"]): data for name, data in elsewhere if name in ENTRIES}
    shown, seen = [], Counter[str]()
    for name, data in (*received, *elsewhere):
        if name in ENTRIES:
            shown.append((data["seq"], _unseen(data["message"])))
        elif name == "conversation:seen":
            seen[data["conversationId"]] = max(seen[data["conversationId"]], data["seq"])

    def entry(data: Data) -> Data:
        mine = data["message"]
        theirs = published.get((data["conversationId"], data["seq"]), data)["message"]
        if mine == theirs or mine["id"] != theirs["id"]:
            return data
        later = _unseen(mine) == _unseen(theirs) or any(
            seq > data["seq"] and message == _unseen(mine) for seq, message in shown
        )
        seen_since = mine["seen"] == theirs["seen"] or (mine["seen"] and mine["seq"] <= seen[data["conversationId"]])
        return {**data, "message": theirs} if later and seen_since else data

    return [(name, entry(data) if name in ENTRIES else data) for name, data in received]


def _unseen(message: Data) -> Data:
    return {**message, "seen": False}


def _parts(received: Sequence[Received]) -> tuple[dict[str, list[Received]], list[str]]:
    """What has an order, and what has none between nodes."""
    entries: dict[str, list[Received]] = {}
    for name, data in received:
        if name in ENTRIES:
            entries.setdefault(data["conversationId"], []).append((name, data))
    return entries, sorted(json.dumps([name, data], sort_keys=True) for name, data in received if name not in ENTRIES)


@asynccontextmanager
async def two_process_service(
    database: Database, redis_url: str, deployment: Deployment, transports: Sequence[Sequence[str]]
) -> AsyncIterator[TwoProcessService]:
    """Each device connects over the transports whose turn it is."""
    redis, turns = Redis.from_url(redis_url), cycle(transports)
    async with AsyncExitStack() as stack, redis:

        async def connect(person: Person, node: int) -> Device:
            return await deployment.connect(stack, person, node, next(turns))

        yield TwoProcessService(database, redis, connect)
