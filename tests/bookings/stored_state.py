"""Looks at everything that is stored about the people of a run, and compares it with the model."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import combinations
from typing import Any

from bson import ObjectId

from domain.times import to_wire
from tests.bookings.market import Data, Market, Somebody
from tests.bookings.model import Actor, BookingModel, Told
from tests.bookings.model_bookings import AHEAD, ModelBooking, Pair

CLAIM_SECONDS = 300


@dataclass
class StoredStateCheck:
    """``kept``: how many first results there are to be repeated."""

    market: Market
    trade: BookingModel
    people: dict[Actor, Somebody]
    kept: int

    async def check(self) -> None:
        await asyncio.gather(
            self._bookings(),
            self._claims(),
            self._money(),
            self._trials(),
            self._logs(),
            self._nothing_else(),
            *(self._slots(number) for number in range(len(self.trade.shops))),
        )

    async def _bookings(self) -> None:
        stored = await self._found("bookings", {"client": {"$in": self._ids("client")}})
        assert {str(one["_id"]): self._as_deal(one) for one in stored} == self.trade.deals
        active = [one for one in stored if one["status"] != "cancelled"]
        for one in stored:
            until = one["endsAt"] + timedelta(minutes=one["breakInMins"])
            assert one.get("claims") == (_buckets(one["startsAt"], until) if one in active else None)
        for one, other in combinations(active, 2):
            if one["trainer"] == other["trainer"]:
                assert not _meet(one, other, one["breakInMins"], other["breakInMins"]), (one, other)
            if one["client"] == other["client"]:
                assert not _meet(one, other, 0, 0), (one, other)

    async def _claims(self) -> None:
        stored = await self._found("clientClaims", {"client": {"$in": self._ids("client")}})
        claims = {str(one["booking"]): (str(one["client"]), one["claims"]) for one in stored}
        assert len(claims) == len(stored)
        assert claims == {
            deal.id: (self.people["client", deal.client].profile, _buckets(deal.start, deal.end))
            for deal in self.trade.deals.values()
            if deal.occupies
        }

    async def _money(self) -> None:
        entries = await self._found("creditEntries", {"client": {"$in": self._ids("client")}})
        ledger: dict[Pair, list[tuple[str, int, str | None]]] = {}
        for one in entries:
            booking = str(one["booking"]) if "booking" in one else None
            ledger.setdefault(self._pair(one), []).append((one["kind"], one["amount"], booking))
        assert _counted(ledger) == _counted(self.trade.ledger)
        credits = await self._found("credits", {"client": {"$in": self._ids("client")}})
        for one in credits:
            pair = self._pair(one)
            assert one["amountOfCredit"] == sum(amount for _, amount, _ in ledger[pair]) == self.trade.balance(pair)
            assert one["amountOfCredit"] >= 0
        assert {self._pair(one) for one in credits} == ledger.keys()

    async def _trials(self) -> None:
        stored = await self._found("trials", {"client": {"$in": self._ids("client")}})
        assert {self._pair(one): str(one["booking"]) for one in stored} == self.trade.trials()
        weeks = await self._found("trialWeeks", {"trainer": {"$in": self._ids("trainer")}})
        used: dict[int, Counter[str]] = {number: Counter() for number in range(len(self.trade.shops))}
        for one in weeks:
            assert one["used"] >= 0
            used[self._number("trainer", one["trainer"])][one["week"]] += one["used"]
        assert {number: +weeks for number, weeks in used.items()} == {
            number: self.trade.weeks(number) for number in used
        }

    async def _logs(self) -> None:
        """Each pair's: every version once, in order; without holes, and nobody else's."""
        conversations = await self._found("conversations", {"members": {"$in": self._ids("client", user=True)}})
        by_pair = {frozenset(map(str, one["members"])): one["_id"] for one in conversations}
        assert len(by_pair) == len(conversations)
        expected = {
            frozenset({self.people["client", c].id, self.people["trainer", t].id}): told
            for (c, t), told in self.trade.log.items()
        }
        assert by_pair.keys() == expected.keys()
        stored = await self._found("messages", {"conversationId": {"$in": list(by_pair.values())}})
        for pair, steps in expected.items():
            entries = sorted(
                (one for one in stored if one["conversationId"] == by_pair[pair]), key=lambda one: int(one["seq"])
            )
            assert [one["seq"] for one in entries] == [*range(1, len(entries) + 1)]
            _check_log([_told(one["booking"]) for one in entries], steps)

    async def _nothing_else(self) -> None:
        """Nothing waits to be told, and only successes are remembered."""
        booked = [ObjectId(one) for one in self.trade.deals]
        assert await self._found("outbox", {"booking": {"$in": booked}}) == []
        users = [ObjectId(one.id) for one in self.people.values()]
        keys = await self._found("idempotency", {"user": {"$in": users}})
        assert len(keys) == self.kept
        assert all("result" in one for one in keys)

    async def _slots(self, trainer: int) -> None:
        today = self.trade.shops[trainer].today(self.trade.now)
        span = {"from": today.isoformat(), "to": (today + timedelta(days=AHEAD)).isoformat()}
        path = f"/trainers/{self.people['trainer', trainer].profile}/slots"
        answer = await self.market.call("GET", path, query=span, node=trainer)
        assert answer.status == 200, answer.body
        offered = [(one["startsAt"], one["endsAt"]) for one in answer.body["slots"]]
        assert offered == [(to_wire(start), to_wire(end)) for start, end in self.trade.free(trainer)]

    # --- reading ---

    async def _found(self, collection: str, query: Data) -> list[Data]:
        return await self.market.store.database.collection(collection).find(query).to_list(None)

    def _ids(self, role: str, *, user: bool = False) -> list[ObjectId]:
        return [ObjectId(one.id if user else one.profile) for (of, _), one in self.people.items() if of == role]

    def _number(self, role: str, profile: ObjectId) -> int:
        return self._ids(role).index(profile)

    def _pair(self, document: Data) -> Pair:
        return self._number("client", document["client"]), self._number("trainer", document["trainer"])

    def _as_deal(self, document: Data) -> ModelBooking:
        booking_id = str(document["_id"])
        client, trainer = self._pair(document)
        return ModelBooking(
            id=booking_id,
            client=client,
            trainer=trainer,
            start=document["startsAt"],
            end=document["endsAt"],
            break_mins=document["breakInMins"],
            zone=document["timeZone"],
            policy=document["cancellationPolicy"],
            paid_with=document["paidWith"],
            status=document["status"],
            cancelled_by=document.get("cancelledBy"),
            version=document["version"],
            # Seen in the ledger and in the trials.
            returned=self.trade.deals[booking_id].returned if booking_id in self.trade.deals else False,
        )


def _buckets(start: datetime, end: datetime) -> list[int]:
    return [*range(int(start.timestamp()) // CLAIM_SECONDS, int(end.timestamp()) // CLAIM_SECONDS)]


def _meet(one: Data, other: Data, break_mins: int, other_break: int) -> bool:
    ends_at = one["endsAt"] + timedelta(minutes=break_mins)
    others_end = other["endsAt"] + timedelta(minutes=other_break)
    return bool(one["startsAt"] < others_end and other["startsAt"] < ends_at)


def _counted(ledger: dict[Pair, list[tuple[str, int, str | None]]]) -> dict[Pair, Counter[Any]]:
    """In no order: what time did to several bookings at once came in any."""
    return {pair: Counter(entries) for pair, entries in ledger.items()}


def _told(note: Data) -> Told:
    return str(note["id"]), note["action"], note["startsAt"], note["endsAt"], note["status"]


def _check_log(stored: list[Told], steps: list[list[Told]]) -> None:
    at = 0
    for step in steps:
        assert sorted(stored[at : at + len(step)]) == sorted(step)
        at += len(step)
    assert len(stored) == at
    flat = [told for step in steps for told in step]
    for booking in {told[0] for told in flat}:
        assert _of(stored, booking) == _of(flat, booking)


def _of(told: Iterable[Told], booking: str) -> list[Told]:
    return [one for one in told if one[0] == booking]
