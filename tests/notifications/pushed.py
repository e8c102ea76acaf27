"""A market whose nodes push to stand-ins, and what a test does to have the work done that is due."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass
from datetime import timedelta

from bson import ObjectId

from handlers.notifications.pushing import push_jobs
from handlers.notifications.undelivered import undelivered_messages_job, undelivered_scans_job
from store.pushes import NAMES
from store.watermarks import Marks
from tests.bookings.market import Data, Market, Somebody
from tests.harness.devices import TIMEOUT_SECONDS
from tests.harness.mail_server import Desk
from tests.harness.people import People
from tests.harness.work import work_off
from tests.notifications.services import PushService, Received

PUBLIC = "https://api.spotter.example"
AFTER = timedelta(seconds=10)


@dataclass
class Pushed:
    market: Market
    apns: PushService
    fcm: PushService
    desk: Desk

    async def register(self, who: Somebody, platform: str = "ios", device_id: str | None = None) -> str:
        """A device of theirs; answers its token."""
        token = secrets.token_hex(32)
        body = {"platform": platform, "token": token}
        path = f"/me/devices/{device_id or secrets.token_hex(8)}"
        assert (await self.market.call("PUT", path, body, who)).status == 204
        return token

    async def pair(self) -> tuple[Somebody, Somebody, str]:
        """A client and a trainer, and their conversation with a first message, which both have received."""
        client, trainer = await self.market.client(), await self.market.somebody("trainer")
        people: People = self.market.people
        conversation = await people.acquaint(client.id, trainer.id)
        for who in (client, trainer):
            await self.mark(who, conversation, seen=1)
        return client, trainer, conversation

    async def send(self, who: Somebody, conversation: str, text: str, **more: object) -> Data:
        self.market.clock.advance(seconds=1)
        body = {"clientMessageId": secrets.token_hex(8), "text": text, **more}
        answer = await self.market.call("POST", f"/conversations/{conversation}/messages", body, who)
        assert answer.status == 201, answer
        message: Data = answer.body["message"]
        return message

    async def mark(self, who: Somebody, conversation: str, *, seen: int = 0, delivered: int = 0) -> None:
        """As a device that received it, or whose owner read it."""
        sides = (await self.market.store.conversations.participants([conversation]))[conversation]
        (side,) = [one for one in sides if one.user_id == who.id]
        await self.market.store.watermarks.raise_to(side.id, Marks(seen=seen, delivered=delivered))

    async def pass_time(self, by: timedelta = AFTER) -> None:
        """Scan, wait as long as a device may take to confirm, and do what is due then; until nothing is."""
        await self.scan()
        self.market.clock.advance(seconds=by.total_seconds())
        await self.work()

    async def scan(self) -> None:
        for node in self.market.nodes:
            await node.store.log.projections.flush()
        self.market.clock.advance(seconds=60)
        async with asyncio.timeout(TIMEOUT_SECONDS):
            while await self._rows("unheardScans", {"dueAt": {"$lte": self.market.clock()}}):
                await work_off(undelivered_scans_job(self.market.nodes[0].context), self.market.clock)
                await asyncio.sleep(0.01)

    async def work(self) -> None:
        context, clock = self.market.nodes[0].context, self.market.clock
        due = {"$lte": clock() + timedelta(seconds=61)}
        async with asyncio.timeout(TIMEOUT_SECONDS):
            while True:
                await work_off(undelivered_messages_job(context), clock)
                for job in push_jobs(context):
                    await work_off(job, clock)
                waiting = await self._rows("conversationParticipants", {"pushDueAt": {"$lte": clock()}})
                waiting += await self._rows("conversationParticipants", {"pushDueAt": due, "work.attempts": 1})
                for name in NAMES.values():
                    waiting += await self._rows(name, {"dueAt": due})
                if not waiting:
                    return
                await asyncio.sleep(0.01)

    async def _rows(self, collection: str, query: Data) -> int:
        return await self.market.nodes[0].database.collection(collection).count_documents(query)

    async def next(self, service: PushService, *tokens: str) -> Received:
        """The next push to one of these; others are none of the test's business."""
        async with asyncio.timeout(TIMEOUT_SECONDS):
            while True:
                received = await service.received.get()
                if received.to in tokens:
                    return received

    def left(self, service: PushService, *tokens: str) -> list[Received]:
        """What came to these and nobody asked for yet."""
        found = []
        while not service.received.empty():
            found.append(service.received.get_nowait())
        return [one for one in found if one.to in tokens]

    async def side(self, who: Somebody, conversation: str) -> Data:
        rows = self.market.nodes[0].database.collection("conversationParticipants")
        found = await rows.find_one({"userId": ObjectId(who.id), "conversationId": ObjectId(conversation)})
        assert found is not None
        return found
