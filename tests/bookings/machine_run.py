"""People of one run of the state machine: what they order is done by two nodes and by the model, and compared."""

from __future__ import annotations

import asyncio
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count, permutations
from typing import Any

from bson import ObjectId

from domain.accounts import Role
from domain.availability import Schedule
from handlers.bookings import due
from tests.bookings.market import Answer, Market, Somebody
from tests.bookings.model import Actor, BookingModel, Refusal
from tests.bookings.model_bookings import Shop
from tests.bookings.model_commands import Order, SetWeek, body_of
from tests.bookings.stored_state import StoredStateCheck
from tests.harness.work import work_off

CLIENTS, TRAINERS = 3, 2
ACTORS: tuple[tuple[Role, int], ...] = (
    ("admin", 0), *(("client", n) for n in range(CLIENTS)), *(("trainer", n) for n in range(TRAINERS))
)  # fmt: skip
TIMEOUT_SECONDS = 30.0
# Before people's sign-ins run out.
LONGEST = timedelta(days=25)


@dataclass(frozen=True)
class KeyedResult:
    """What succeeded under a key."""

    order: Order
    key: str
    answer: Answer


@dataclass
class MachineRun:
    market: Market
    trade: BookingModel
    people: dict[Actor, Somebody]
    began_at: datetime
    done: list[KeyedResult] = field(default_factory=list)
    _keys: count[int] = field(default_factory=count)

    @classmethod
    async def open(cls, market: Market, now: datetime, weeks: list[Schedule], credits: int) -> MachineRun:
        market.clock.now = now
        people = await asyncio.gather(*(market.somebody(role) for role, _ in ACTORS))
        model = BookingModel(now, [Shop(week) for week in weeks])
        machine_run = cls(market, model, dict(zip(ACTORS, people, strict=True)), now)
        for number, week in enumerate(weeks):
            await machine_run._do(0, SetWeek(number, week))
        await asyncio.gather(*(machine_run.grant((c, t), credits) for c in range(CLIENTS) for t in range(TRAINERS)))
        return machine_run

    @property
    def profiles(self) -> list[str]:
        return [self.people["trainer", number].profile for number in range(TRAINERS)]

    # --- steps ---

    async def does(self, node: int, *orders: Order) -> None:
        """At once, each on a node of its own: their outcome has to be that of one order after the other."""
        await self._do(node, *orders)
        await self.check()

    async def _do(self, node: int, *orders: Order) -> None:
        self.trade.begin_step()
        keys = [f"key {next(self._keys)}" if order.keyed else None for order in orders]
        answers = await asyncio.gather(
            *(self._send(o, k, node + n) for n, (o, k) in enumerate(zip(orders, keys, strict=True)))
        )
        self.trade = self._one_by_one(list(zip(orders, answers, strict=True)))
        for order, key, answer in zip(orders, keys, answers, strict=True):
            if key is not None and answer.code is None:
                self.done.append(KeyedResult(order, key, answer))

    async def repeats(self, node: int, done: KeyedResult) -> None:
        """Answered as it was first, and nothing happens."""
        self.trade.begin_step()
        assert await self._send(done.order, done.key, node) == done.answer
        await self.check()

    async def changes_its_mind(self, node: int, done: KeyedResult, other: Order) -> None:
        """Another body under the same key."""
        self.trade.begin_step()
        assert (await self._send(other, done.key, node)).code == "idempotency_conflict"
        await self.check()

    async def passes(self, until: datetime) -> None:
        """Time, and with it the due work of both nodes at once."""
        self.trade.begin_step()
        self.market.clock.now = min(max(until, self.trade.now), self.began_at + LONGEST)
        self.trade.pass_time(self.market.clock.now)
        async with asyncio.timeout(TIMEOUT_SECONDS):
            jobs = [due.due_bookings_job(node.context) for node in self.market.nodes]
            await asyncio.gather(*(work_off(job, self.market.clock) for job in jobs))
            # What a node's own loop has claimed, that one finishes.
            while await self._is_due():
                await work_off(due.due_bookings_job(self.market.nodes[0].context), self.market.clock)
        await self.check()

    async def grant(self, pair: tuple[int, int], credits: int) -> None:
        client, trainer = pair
        await self.market.grant(self.people["client", client], self.people["trainer", trainer], credits)
        self.trade.grant(pair, credits)

    async def check(self) -> None:
        await StoredStateCheck(self.market, self.trade, self.people, len(self.done)).check()

    # --- how ---

    async def _send(self, order: Order, key: str | None, node: int) -> Answer:
        request = order.request(self.profiles)
        return await self.market.call(
            request.method, request.path, request.body, self.people[request.actor], key=key, node=node
        )

    def _one_by_one(self, answered: list[tuple[Order, Answer]]) -> BookingModel:
        wrong: list[str] = []
        for order in permutations(answered):
            trade = deepcopy(self.trade)
            differences = [found for one in order if (found := _difference(trade, *one))]
            if not differences:
                return trade
            wrong += differences
        raise AssertionError("\n".join([f"at {self.trade.now}:", *wrong]))

    async def _is_due(self) -> bool:
        database = self.market.store.database
        trainers = [ObjectId(one) for one in self.profiles]
        # Due, or in the hands of a node.
        due_now: list[dict[str, Any]] = [{"dueAt": {"$lte": self.trade.now}}, {"work": {"$exists": True}}]
        left = {"trainer": {"$in": trainers}, "$or": due_now}
        booked = [ObjectId(one) for one in self.trade.deals]
        return bool(
            await database.collection("bookings").count_documents(left)
            or await database.collection("outbox").count_documents({"booking": {"$in": booked}})
        )


def _difference(trade: BookingModel, order: Order, answer: Answer) -> str | None:
    """The model does it too; what it would have answered, where that is something else."""
    body = body_of(answer)
    try:
        expected = order.happen(trade, body)
    except Refusal as refusal:
        return None if answer.code == refusal.code else f"{order}: {answer}, not {refusal.code}"
    if answer.code is None and expected.items() <= body.items():
        return None
    return f"{order}: {answer}, not {expected}"
