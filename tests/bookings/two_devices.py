"""A client with two devices and two trainers: one device is always there, the other comes and goes. What each holds
follows from what it was told alone."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from domain.booking_changes import ending
from domain.bookings import COMPLETION_GRACE
from domain.times import to_wire
from domain.wire.events import BOOKINGS
from handlers.bookings import outbox
from tests.bookings.market import Data, Market, Somebody
from tests.bookings.phones import phone
from tests.conversations.replica import Replica
from tests.harness.devices import Device, Refused

TRAINERS = 2


class App:
    """An app's memory: conversations and bookings, kept by live events, by ``sync`` and by ``changedAfter``."""

    def __init__(self, user_id: str) -> None:
        self.talks = Replica(user_id)
        self.bookings: dict[str, Data] = {}
        self._changes = ""
        self._read = 0

    async def catch_up(self, device: Device, limit: int = 100) -> None:
        """What was missed; then what was told meanwhile."""
        more = True
        while more:
            answer = await device.do("sync", {"cursors": self.talks.named, "limit": limit})
            self.talks.take(answer, quiet=False)
            for each in answer["conversations"]:
                if each.get("reset"):
                    await self._fill(device, each["conversation"]["id"])
            more = answer["hasMore"]
        more = True
        while more:
            command = {"changedAfter": self._changes, "limit": min(limit, 100)}
            changed = await device.do("booking:list", command, BOOKINGS)
            self._put(changed["items"])
            self._changes, more = changed["changes"], changed["hasMore"]
        self.listen(device)

    async def _fill(self, device: Device, conversation_id: str) -> None:
        """The messages before those with which a conversation started."""
        held, more = self.talks.conversations[conversation_id], True
        while more:
            first = min((int(message["seq"]) for message in held.messages.values()), default=held.cursor + 1)
            page = await device.do(
                "message:list", {"conversationId": conversation_id, "beforeSeq": first, "limit": 7}
            )
            for message in page["messages"]:
                held.put(message)
            more = page["hasMore"]

    def listen(self, device: Device) -> None:
        """To all that the device was told since."""
        while self._read < len(device.received):
            event, data = device.received[self._read]
            self._read += 1
            assert event != "sync:required"
            self.talks.receive(event, data)
            if event.startswith("booking:"):
                self._put([data["booking"]])

    def leave(self) -> None:
        self._read = 0

    def _put(self, bookings: Sequence[Data]) -> None:
        for booking in bookings:
            if booking["version"] > self.bookings.get(booking["id"], {"version": 0})["version"]:
                self.bookings[booking["id"]] = booking

    def state(self) -> Data:
        talks: Data = self.talks.state()
        # What nobody has said anything in is its opener's alone, and no event tells of it.
        return {"talks": {i: held for i, held in talks.items() if held["head"] > 0}, "bookings": self.bookings}


@dataclass
class ClientWithTwoDevices:
    market: Market
    client: Somebody
    trainers: list[Somebody]
    live: Device
    trainer_devices: list[Device]
    stack: AsyncExitStack
    staying: App
    coming: App
    there: Device | None = None
    _visit: AsyncExitStack | None = None
    _numbers: count[int] = field(default_factory=count)
    hours: int = 1

    @classmethod
    async def open(cls, market: Market) -> ClientWithTwoDevices:
        stack = AsyncExitStack()
        trainers = [await market.trainer() for _ in range(TRAINERS)]
        client = await market.client(*trainers, credits=50)
        live = await stack.enter_async_context(phone(market, client))
        devices = [await stack.enter_async_context(phone(market, one, 1)) for one in trainers]
        opened = cls(market, client, trainers, live, devices, stack, App(client.id), App(client.id))
        await opened.staying.catch_up(live)
        return opened

    # --- the other device ---

    async def comes(self, limit: int) -> None:
        if self.there is None:
            self._visit = AsyncExitStack()
            self.there = await self._visit.enter_async_context(phone(self.market, self.client, 1))
        await self.coming.catch_up(self.there, limit)

    async def goes(self) -> None:
        if self._visit is not None and self.there is not None:
            self.coming.listen(self.there)
            await self._visit.aclose()
            self.coming.leave()
            self.there = self._visit = None

    # --- what happens ---

    def device(self, who: int) -> Device:
        """The client's, or a trainer's."""
        return self.live if who == 0 else self.trainer_devices[who - 1]

    async def _talk(self, trainer: int) -> str:
        opened = await self.live.do("conversation:open", {"userId": self.trainers[trainer].id})
        conversation_id: str = opened["conversation"]["id"]
        return conversation_id

    async def says(self, trainer: int, mine: bool, times: int) -> None:
        conversation = await self._talk(trainer)
        device = self.device(0 if mine else trainer + 1)
        for _ in range(times):
            if not mine and not self.trainers_talk(trainer, conversation):
                device = self.live
            await device.send(conversation, f"{next(self._numbers)}", f"words {next(self._numbers)}")

    def trainers_talk(self, trainer: int, conversation: str) -> bool:
        """A trainer sees what the client has begun."""
        return any(data["conversationId"] == conversation for data in self.device(trainer + 1).events("message:new"))

    async def changes(self, trainer: int, pick: int, what: str) -> None:
        conversation = await self._talk(trainer)
        page = await self.live.do("message:list", {"conversationId": conversation, "limit": 5})
        said = [one for one in page["messages"] if one["kind"] == "text"]
        if not said:
            return
        message = said[pick % len(said)]
        device = self.device(0 if message["senderId"] == self.client.id else trainer + 1)
        command: Data = {"messageId": message["id"]}
        if what == "edit":
            await _try(device, "message:edit", {**command, "text": f"words {next(self._numbers)}"})
        elif what == "delete":
            await _try(device, "message:delete", command)
        else:
            await _try(device, "message:react", {**command, "emoji": "👍", "remove": what == "unreact"})

    async def marks(self, trainer: int, mine: bool, kind: str, back: int) -> None:
        conversation = await self._talk(trainer)
        if not mine and not self.trainers_talk(trainer, conversation):
            return
        head = (await self.live.do("sync", {"cursors": {conversation: 0}, "only": True, "limit": 1}))[
            "conversations"
        ][0]["conversation"]["head"]
        command = {"conversationId": conversation, "seq": max(0, head - back)}
        await self.device(0 if mine else trainer + 1).do(f"conversation:{kind}", command)

    async def mutes(self, trainer: int, until: str | None) -> None:
        await self.live.do("conversation:mute", {"conversationId": await self._talk(trainer), "until": until})

    async def sees_all(self) -> None:
        await self.live.do("conversation:seen-all")

    async def books(self, trainer: int, times: int) -> None:
        for _ in range(times):
            self.hours += 1
            await self.market.booked(self.client, self.trainers[trainer], self._hour(), node=self.hours)

    def _hour(self) -> Any:
        return self.market.at(self.hours % 24, days=1 + self.hours // 24)

    async def _upcoming(self, pick: int) -> Data | None:
        page = await self.live.do("booking:list", {"status": "confirmed,held", "limit": 100}, BOOKINGS)
        return page["items"][pick % len(page["items"])] if page["items"] else None

    async def alters(self, pick: int, by: int, what: str) -> None:
        booking = await self._upcoming(pick)
        if booking is None:
            return
        number = next(i for i, one in enumerate(self.trainers) if one.profile == booking["trainer"])
        device, named = self.device(0 if by == 0 else number + 1), {"bookingId": booking["id"]}
        if what == "cancel":
            await device.do("booking:cancel", named, BOOKINGS)
        elif what == "move":
            self.hours += 1
            await device.do("booking:reschedule", {**named, "startsAt": to_wire(self._hour())}, BOOKINGS)
        else:
            await self._completes(booking["id"])

    async def _completes(self, booking_id: str) -> None:
        """As its job does when its time is over."""
        context = self.market.nodes[1].context
        booking = await context.store.bookings.by_id(booking_id)
        assert booking is not None
        over = ending(booking, booking.ends_at + COMPLETION_GRACE)
        assert over is not None
        change = await context.store.booking_transactions.alter(booking, *over, self.market.clock(), None)
        assert change is not None
        await outbox.publish_pending(context, booking_id, change.booking.version)

    # --- in the end ---

    async def check(self) -> None:
        """Both hold what a device is told that reads everything from the first."""
        await self.comes(100)
        assert self.there is not None
        everything = App(self.client.id)
        named = {i: {"seq": 0} for i in self.coming.talks.conversations}
        everything.talks.take({"conversations": []})
        async with phone(self.market, self.client, 1) as fresh:
            more = True
            while more:
                answer = await fresh.do("sync", {"cursors": named, "only": True, "limit": 500})
                everything.talks.take(answer)
                named |= {each["conversation"]["id"]: {"seq": each["cursor"], "state": each["state"]}
                          for each in answer["conversations"]}  # fmt: skip
                more = answer["hasMore"]
            await everything.catch_up(fresh)
        wanted = everything.state()
        assert self.coming.state() == wanted
        await self.live.until(lambda device: self._has_received(device, wanted))

    def _has_received(self, device: Device, wanted: Data) -> bool:
        self.staying.listen(device)
        return self.staying.state() == wanted

    async def close(self) -> None:
        await self.goes()
        await self.stack.aclose()


async def _try(device: Device, event: str, data: Data) -> None:
    """What was deleted meanwhile, or is another's, is refused; that changes nothing."""
    try:
        await device.do(event, data)
    except Refused as refused:
        assert refused.code in ("conflict", "forbidden"), refused
