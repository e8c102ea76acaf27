"""A market whose events go to receivers of the test's own."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from bson import ObjectId

from domain.webhooks import EVENT_TYPES
from handlers.jobs import WEBHOOKS
from store.webhook_deliveries import NAME as DELIVERIES
from tests.bookings.market import Answer, Data, Market, Somebody
from tests.harness.waiting import eventually

PATH = "/admin/webhooks"


@dataclass
class Hooks:
    market: Market
    admin: Somebody
    made: list[str] = field(default_factory=list)

    async def add(self, url: str, events: Sequence[str] = EVENT_TYPES, key: str | None = None) -> Data:
        answer = await self.call("POST", "", {"url": url, "events": list(events)}, key=key)
        assert answer.status == 201, answer
        self.made.append(answer.body["id"])
        added: Data = answer.body
        return added

    async def call(self, method: str, path: str, body: Any = None, *, key: str | None = None) -> Answer:
        return await self.market.call(method, PATH + path, body, self.admin, key=key)

    async def change(self, endpoint: Data, **changes: Any) -> Data:
        answer = await self.call("PATCH", f"/{endpoint['id']}", changes)
        assert answer.status == 200, answer
        changed: Data = answer.body
        return changed

    async def shown(self, endpoint: Data) -> Data:
        page = (await self.call("GET", "")).body
        assert page["nextCursor"] is None
        (found,) = [one for one in page["items"] if one["id"] == endpoint["id"]]
        return dict(found)

    async def happens(self, count: int = 1) -> list[str]:
        """So many events, ``user.erased`` each; their ids as data has them."""
        return [await self.erased() for _ in range(count)]

    async def erased(self) -> str:
        node, somebody = self.market.nodes[0], await self.market.somebody("client")
        user = await node.store.users.by_id(somebody.id)
        assert user is not None and await node.store.erasures.erase(user, self.market.clock()) is not None
        self.look()
        return somebody.id

    def look(self) -> None:
        """As when the clock has gone on, or something was announced."""
        for node in self.market.nodes:
            for name in WEBHOOKS:
                node.context.wake_ups.wake(name)

    async def rows(self, endpoint: Data, **query: Any) -> list[Data]:
        rows = self.market.nodes[0].database.collection(DELIVERIES)
        return await rows.find({"endpoint": ObjectId(endpoint["id"]), **query}).to_list(None)

    async def has_none(self, endpoint: Data) -> bool:
        return not await self.rows(endpoint)

    async def put(self, endpoint: Data, update: Data) -> None:
        rows = self.market.nodes[0].database.collection(DELIVERIES)
        await rows.update_many({"endpoint": ObjectId(endpoint["id"])}, update)

    async def failed(self, endpoint: Data, reason: str) -> Data:
        """How it is shown once a delivery has failed so, and is to be tried again."""

        async def has_failed() -> bool:
            rows = await self.rows(endpoint, **{"work.error": {"$exists": True}})
            return bool(rows) and (await self.shown(endpoint))["lastFailure"] is not None

        await eventually(has_failed)
        shown = await self.shown(endpoint)
        assert shown["lastFailure"]["reason"] == reason, shown
        return shown

    async def due_at(self, endpoint: Data) -> datetime:
        (row,) = await self.rows(endpoint)
        found: datetime = row["dueAt"]
        return found

    async def try_again(self, endpoint: Data) -> None:
        """When the pause is over."""
        self.market.clock.now = max(self.market.clock.now, await self.due_at(endpoint))
        self.look()


def unique() -> str:
    return secrets.token_hex(8)
