"""Writes what this version of the server stores of keyed commands, for later versions to be tested with.

``python -m tests.stored.record NAME`` runs every command that takes a key, on both surfaces, against a node on real
servers and keeps ``tests/fixtures/stored/NAME.json``: the requests with their answers, a changed body for each, and
every collection as it then was. Nothing is published of the bookings (``outbox.publish_pending`` does nothing), so that
the outbox holds their changes as a node leaves them that dies after its commit.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import AsyncExitStack
from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import aiohttp
from bson import json_util

from domain.wire.bookings import BookingAnswer
from handlers.bookings import outbox
from handlers.context import PublishContext
from server import embedded
from tests.authorisation.parties import Parties
from tests.bookings.market import Data, Market
from tests.harness.clock import StandingClock
from tests.harness.databases import named, new_name
from tests.harness.nodes import running_node
from tests.stored.requests import Request, Surfaces, connected, new_key

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures" / "stored"
LABELS = {"client": "client", "trainer": "trainer", "other": "other client", "admin": "admin"}
CONVERSATIONS, BOOKINGS = "/conversations", "/bookings"


class Recorder:
    def __init__(self, parties: Parties, surfaces: Surfaces) -> None:
        self.parties = parties
        self.surfaces = surfaces
        self.recorded: list[Data] = []

    async def do(self, who: str, call: str, body: Any = None, *, then: Data | None = None, other: str = "") -> Any:
        """``then``: what another body says in its place; ``other``: another thing that the path names instead."""
        request = Request(who, call, new_key(), body)
        answer = await self.surfaces.send(request)
        assert answer.get("ok") or answer.get("status", 500) < 300, (request, answer)
        changed = Request(who, other or call, request.key, {**(body or {}), **then} if then else body)
        self.recorded.append({"request": asdict(request), "changed": asdict(changed), "answer": answer})
        return answer["data"] if "data" in answer else answer["body"]

    async def conversations(self) -> None:
        parties, here = self.parties, {"conversationId": self.parties.conversation}
        other_user = {"userId": parties.people["other trainer"].id}  # type: ignore[union-attr]
        await self.do("client", f"{CONVERSATIONS} conversation:open", {"userId": parties.trainer.id}, then=other_user)
        await self.do("client", f"{CONVERSATIONS} conversation:mute", here, then={"until": None})
        until = "2026-12-24T20:00:00+02:00"
        then = {"until": "2026-12-24T20:00:00Z"}
        await self.do("client", f"{CONVERSATIONS} conversation:mute", {**here, "until": until}, then=then)
        said = {**here, "clientMessageId": "one", "text": "2026-12-24T20:00:00Z"}
        then = {"text": "2026-12-24T20:00:00.000Z", "clientMessageId": "another"}
        sent = await self.do("client", f"{CONVERSATIONS} message:send", said, then=then)
        about, gone = {"messageId": sent["message"]["id"]}, {"messageId": await parties.message()}
        await self.do("client", f"{CONVERSATIONS} message:edit", {**about, "text": "new"}, then={"text": "newer"})
        await self.do("trainer", f"{CONVERSATIONS} message:react", {**about, "emoji": "👍"}, then={"remove": True})
        off = {**about, "emoji": "👍", "remove": True}
        await self.do("trainer", f"{CONVERSATIONS} message:react", off, then={"remove": False})
        await self.do("client", f"{CONVERSATIONS} message:delete", gone, then=about)
        path = f"POST /conversations/{parties.conversation}/messages"
        said = {"clientMessageId": "two", "text": "hello", "replyTo": about["messageId"]}
        await self.do("client", path, said, then={"replyTo": None, "clientMessageId": "third"})

    async def bookings(self) -> None:
        parties = self.parties
        new, note = parties.new_booking(), {"note": "my knee"}
        one = await self.do("client", "POST /bookings", {**new, **note}, then={"note": "the other knee"})
        new = parties.new_booking()
        start = datetime.fromisoformat(new["startsAt"]).isoformat().replace("+00:00", "Z")
        two = await self.do("client", f"{BOOKINGS} booking:create", {**new, "startsAt": start}, then=note)
        three, four = [await self.do("client", "POST /bookings", parties.new_booking(), then=note) for _ in range(2)]
        path = f"POST /bookings/{one['id']}/cancel"
        await self.do("client", path, {"reason": "ill"}, then={"reason": "well"})
        said = {"bookingId": two["id"]}
        await self.do("trainer", f"{BOOKINGS} booking:cancel", said, then={"bookingId": three["id"]})
        path = f"POST /bookings/{three['id']}/reschedule"
        await self.do("client", path, {"startsAt": parties.free_start()}, then={"startsAt": parties.free_start()})
        said = {"bookingId": four["id"], "startsAt": parties.free_start()}
        await self.do("trainer", f"{BOOKINGS} booking:reschedule", said, then={"startsAt": parties.free_start()})
        missed, past = await parties.session_over(), await parties.session_over()
        path = f"POST /bookings/{missed}/no-show"
        await self.do("trainer", path, {}, other=f"POST /bookings/{past}/no-show")
        path = f"POST /bookings/{past}/review"
        review = await self.do("client", path, {"rating": 4}, then={"comment": "Good."})
        await self.do("client", f"PATCH /reviews/{review['id']}", {"comment": None}, then={"rating": 3})
        another = await parties.review()
        await self.do("client", f"DELETE /reviews/{another}", other=f"DELETE /reviews/{review['id']}")

    async def of_trainers(self) -> None:
        parties = self.parties
        week = {"timeZone": "UTC", "sessionDurationInMins": 60, "breakBetweenSessionMins": 0}
        days = [{"day": "Monday", "startTime": "00:00", "endTime": "24:00"}]
        await self.do("trainer", "PUT /me/availability", {**week, "days": days}, then={"days": []})
        path, day = "/me/availability/exceptions", parties.market.clock() + timedelta(days=200)
        off = {"date": day.date().isoformat(), "startTime": "09:00", "endTime": "12:00"}
        made = await self.do("trainer", f"POST {path}", off, then={"reason": "holidays"})
        gone = await parties.exception()
        await self.do("trainer", f"DELETE {path}/{gone}", other=f"DELETE {path}/{made['id']}")
        path, certificate = "/me/certificates", {"certificateName": "Yoga"}
        made = await self.do("trainer", f"POST {path}", certificate, then={"aboutYou": "Yes."})
        await self.do("trainer", f"PATCH {path}/{made['id']}", {"aboutYou": "New."}, then={"aboutYou": None})
        gone = await parties.certificate()
        await self.do("trainer", f"DELETE {path}/{gone}", other=f"DELETE {path}/{made['id']}")
        category = await parties.category()
        offered: Data = {"specializations": [{"sessionCategory": category}]}
        await self.do("trainer", "PUT /me/specializations", offered, then={"specializations": []})
        pricing = {"individualSessionPrice": 5000, "isIndividualSesionAvailable": True}
        await self.do("trainer", "PUT /me/pricing", pricing, then={"individualSessionPrice": 5100})

    async def of_everybody(self) -> None:
        parties = self.parties
        await self.do("client", "PATCH /me", {"isActive": True}, then={"isActive": False})
        await self.do("client", "PATCH /me/profile", {"name": "Anna", "city": None}, then={"city": "Bonn"})
        await self.do("client", "POST /files", {}, then={"more": "\n"})
        trainer, another = parties.trainer.profile, parties.people["other trainer"]
        assert another is not None
        path = "/me/bookmarks"
        await self.do("client", f"PUT {path}/{trainer}", other=f"PUT {path}/{another.profile}")
        await self.do("client", f"DELETE {path}/{trainer}", other=f"DELETE {path}/{another.profile}")

    async def of_administrators(self) -> None:
        for path, body in (
            ("/admin/categories", {"name": "Yin"}),
            ("/admin/subcategories", {"name": "Yang", "category": await self.parties.category()}),
        ):
            made = await self.do("admin", f"POST {path}", body, then={"name": "Other"})
            await self.do("admin", f"PATCH {path}/{made['id']}", {"name": "Named"}, then={"name": "Renamed"})
            gone = await self.surfaces.send(Request("admin", f"POST {path}", new_key(), {**body, "name": "Gone"}))
            await self.do(
                "admin", f"DELETE {path}/{gone['body']['id']}", other=f"DELETE {path}/{made['id']}"
            )


async def _leave(context: PublishContext, booking_id: str, committed: int) -> dict[int, BookingAnswer]:
    """Instead of publishing."""
    return {}


async def record(name: str, mongo_url: str, redis_url: str, folder: Path) -> None:
    database, clock = new_name(), StandingClock()
    async with AsyncExitStack() as stack:
        url = named(mongo_url, database)
        running = await stack.enter_async_context(running_node(url, redis_url, folder, clock))
        http = await stack.enter_async_context(aiohttp.ClientSession())
        market = Market([running.node], [running.url], http, clock)
        parties = Parties(market)
        await parties.prepare()
        outbox.publish_pending = _leave
        people = {label: parties.people[column] for label, column in LABELS.items()}
        surfaces = Surfaces(market, {label: who for label, who in people.items() if who is not None})
        await stack.enter_async_context(connected(surfaces))
        recorder = Recorder(parties, surfaces)
        await recorder.conversations()
        await recorder.bookings()
        await recorder.of_everybody()
        await recorder.of_administrators()
        await recorder.of_trainers()
        collections = running.node.database.db
        found = {one: await collections[one].find().to_list(None) for one in await collections.list_collection_names()}
        await collections.client.drop_database(database)
    kept = {
        "recordedAt": clock.now,
        "people": {label: {"id": who.id, "session": who.person.session_id} for label, who in surfaces.people.items()},
        "requests": recorder.recorded,
        "collections": {one: found[one] for one in sorted(found) if found[one]},
    }
    FIXTURES.mkdir(parents=True, exist_ok=True)
    text = json_util.dumps(kept, json_options=json_util.CANONICAL_JSON_OPTIONS, indent=1, ensure_ascii=False)
    (FIXTURES / f"{name}.json").write_text(text + "\n")


async def main() -> None:
    with TemporaryDirectory() as folder:
        async with embedded.servers(Path(folder) / "servers") as servers:
            assert servers.mongo_url is not None
            assert servers.redis_url is not None
            await record(sys.argv[1], servers.mongo_url, servers.redis_url, Path(folder) / "node")


if __name__ == "__main__":
    asyncio.run(main())
