"""A small market: trainers with a schedule, clients with credits, two nodes, and a clock that can be moved."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp

from domain.accounts import Role, User
from domain.booking_changes import NO_SETTLEMENT, BookingChange
from domain.bookings import Booking, Status
from domain.credits import CreditEntry, grant
from domain.times import to_wire
from server.app import Node
from store.store import Store
from tests.harness.clock import StandingClock
from tests.harness.databases import own_database
from tests.harness.nodes import running_node
from tests.harness.people import People, Person

Data = dict[str, Any]
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


@dataclass(frozen=True)
class Answer:
    status: int
    body: Any

    @property
    def code(self) -> str | None:
        return self.body.get("code") if isinstance(self.body, dict) and self.status >= 400 else None


@dataclass
class Somebody:
    """``id``: the user's; ``profile``: the Client's or Trainer's."""

    person: Person
    user: User
    profile: str

    @property
    def id(self) -> str:
        return self.user.id


# Before midnight: what is booked for the next morning would be within the notice of a cancellation policy.
_LATE = timedelta(hours=4)


@dataclass
class Market:
    nodes: list[Node]
    urls: list[str]
    http: aiohttp.ClientSession
    clock: StandingClock
    _keys: itertools.count[int] = field(default_factory=itertools.count)

    @property
    def store(self) -> Store:
        return self.nodes[0].store

    async def at_rest(self) -> None:
        """Waits until no node has durable work in hand."""
        while any(node.durable_work.in_hand for node in self.nodes):  # noqa: ASYNC110 - they count, and tell nobody
            await asyncio.sleep(0.02)

    @property
    def people(self) -> People:
        return People(self.store, self.nodes[0].tokens, self.clock)

    async def somebody(self, role: Role) -> Somebody:
        person = await self.people.make(role)
        user = await self.store.users.by_id(person.id)
        assert user is not None
        return Somebody(person, user, user.profile_id)

    async def client(self, *trainers: Somebody, credits: int = 5) -> Somebody:
        """With so many credits at each of the trainers."""
        client = await self.somebody("client")
        for trainer in trainers:
            await self.grant(client, trainer, credits)
        return client

    async def grant(self, client: Somebody, trainer: Somebody, credits: int, purchase: str | None = None) -> None:
        entry = CreditEntry(
            client_id=client.profile,
            trainer_id=trainer.profile,
            effect=grant(purchase or f"test-{next(self._keys)}"),
            kind="grant",
            amount=credits,
            created_at=self.clock(),
        )
        await self.store.credits.record(entry)

    async def commit(
        self, client: Somebody, trainer: Somebody, start: datetime, status: Status, held_until: datetime | None = None
    ) -> Booking:
        """An hour that is paid by card, as by a node that dies right after."""
        now = self.clock()
        booking = Booking(
            id=self.store.bookings.new_id(),
            trainer_id=trainer.profile,
            client_id=client.profile,
            trainer_user_id=trainer.id,
            client_user_id=client.id,
            conversation_id="",
            starts_at=start,
            ends_at=start + timedelta(hours=1),
            time_zone="UTC",
            break_mins=0,
            cancellation_policy="ALWAYS_FREE",
            status=status,
            paid_with="card",
            held_until=held_until,
            arranged_at=now,
            created_at=now,
            updated_at=now,
        )
        change = BookingChange(booking=booking, action="created", by="client", sender_id=client.id)
        return (await self.store.booking_transactions.book(change, NO_SETTLEMENT, now, None)).booking

    async def trainer(
        self,
        *,
        zone: str = "UTC",
        hours: tuple[str, str] = ("00:00", "24:00"),
        duration: int = 60,
        break_mins: int = 0,
        policy: str = "ALWAYS_FREE",
        trials: int = 0,
    ) -> Somebody:
        """Works every day of the week; ``trials`` a week."""
        trainer = await self.somebody("trainer")
        await self.schedule(trainer, zone=zone, hours=hours, duration=duration, break_mins=break_mins)
        await self.pricing(trainer, policy=policy, trials=trials)
        return trainer

    async def schedule(
        self,
        trainer: Somebody,
        *,
        zone: str = "UTC",
        hours: tuple[str, str] = ("00:00", "24:00"),
        duration: int = 60,
        break_mins: int = 0,
    ) -> None:
        start, end = hours
        days = [{"day": day, "startTime": start, "endTime": end, "isAvailable": True} for day in DAYS]
        durations = {"sessionDurationInMins": duration, "breakBetweenSessionMins": break_mins}
        body = {"timeZone": zone, **durations, "days": days}
        answer = await self.call("PUT", "/me/availability", body, trainer)
        assert answer.status == 200, answer.body

    async def pricing(self, trainer: Somebody, *, policy: str = "ALWAYS_FREE", trials: int = 0) -> None:
        body = {
            "freeTrial": trials > 0,
            "weeklyTrialLimit": trials,
            "cancelReshedulePolicy": policy,
            "individualSessionPrice": 5000,
            "isIndividualSesionAvailable": True,
            "isFiveSessionAvailable": False,
            "isTenSessionAvailable": False,
        }
        answer = await self.call("PUT", "/me/pricing", body, trainer)
        assert answer.status == 200, answer.body

    # --- commands ---

    async def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        who: Somebody | None = None,
        *,
        key: str | None = None,
        node: int = 0,
        query: Data | None = None,
    ) -> Answer:
        headers = {}
        if who is not None:
            headers["Authorization"] = f"Bearer {await self.token(who)}"
        if key is not None:
            headers["Idempotency-Key"] = key
        url = f"{self.urls[node % len(self.urls)]}/v1{path}"
        async with self.http.request(method, url, json=body, headers=headers, params=query) as response:
            text = await response.text()
            parsed = await response.json(content_type=None) if text and "json" in response.content_type else text
            return Answer(response.status, parsed)

    async def token(self, who: Somebody) -> str:
        """One that counts now, wherever the clock stands."""
        return self.nodes[0].tokens.issue(who.user, who.person.session_id, self.clock())[0]

    async def book(
        self,
        client: Somebody,
        trainer: Somebody,
        starts_at: datetime,
        *,
        pay_with: str = "credit",
        key: str | None = None,
        node: int = 0,
    ) -> Answer:
        body = {"trainerId": trainer.profile, "startsAt": to_wire(starts_at), "payWith": pay_with}
        return await self.call("POST", "/bookings", body, client, key=key or f"key-{next(self._keys)}", node=node)

    async def booked(self, client: Somebody, trainer: Somebody, starts_at: datetime, **how: Any) -> Data:
        answer = await self.book(client, trainer, starts_at, **how)
        assert answer.status == 201, answer.body
        found: Data = answer.body
        return found

    async def cancel(self, booking: Data, who: Somebody, **how: Any) -> Answer:
        return await self.call("POST", f"/bookings/{booking['id']}/cancel", {}, who, **how)

    async def move(self, booking: Data, who: Somebody, starts_at: datetime, **how: Any) -> Answer:
        body = {"startsAt": to_wire(starts_at)}
        return await self.call("POST", f"/bookings/{booking['id']}/reschedule", body, who, **how)

    # --- what is so ---

    def at(self, hour: int, minute: int = 0, *, days: int = 1) -> datetime:
        """A time of day in UTC, so many days from now: at least 13 hours ahead from nine on, however late it is."""
        midnight = (self.clock() + _LATE).replace(hour=0, minute=0, second=0, microsecond=0)
        return midnight + timedelta(days=days, hours=hour, minutes=minute)

    async def balance(self, client: Somebody, trainer: Somebody) -> int:
        """Checked against the ledger; a change between the two reads would show as a difference."""
        credits, pair = self.store.credits, (client.profile, trainer.profile)
        balance, earlier = await credits.balance(*pair), None
        while balance != earlier:
            entries, earlier = await credits.entries(*pair), balance
            balance = await credits.balance(*pair)
        assert balance == sum(entry.amount for entry in entries)
        assert balance >= 0
        return balance

    async def log(self, client: Somebody, trainer: Somebody) -> list[Data]:
        """The pair's entries about bookings, as the client reads them."""
        answer = await self.call("POST", "/sync", {"cursors": {}}, client)
        for conversation in answer.body["conversations"]:
            if trainer.id in {p["userId"] for p in conversation["conversation"]["participants"]}:
                return [e["message"]["booking"] for e in conversation["entries"] if e["message"]["kind"] == "booking"]
        return []

    async def slots(self, trainer: Somebody, first: datetime, last: datetime | None = None) -> list[str]:
        """The starts that are offered."""
        span = {"from": first.date().isoformat(), "to": (last or first).date().isoformat()}
        answer = await self.call("GET", f"/trainers/{trainer.profile}/slots", query=span)
        assert answer.status == 200, answer.body
        return [slot["startsAt"] for slot in answer.body["slots"]]


async def together(*work: Any) -> list[Any]:
    return list(await asyncio.gather(*work))


@asynccontextmanager
async def served_market(
    mongo_url: str, redis_url: str, folder: Path, nodes: int = 2, /, **environ: str
) -> AsyncIterator[Market]:
    """So many nodes on a database of their own, which goes with them."""
    clock = StandingClock()
    async with own_database(mongo_url) as url, AsyncExitStack() as stack:
        running = [
            await stack.enter_async_context(running_node(url, redis_url, folder / str(number), clock, **environ))
            for number in range(nodes)
        ]
        http = await stack.enter_async_context(aiohttp.ClientSession())
        yield Market([one.node for one in running], [one.url for one in running], http, clock)
