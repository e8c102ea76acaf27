"""Whatever clients, trainers and time do on two nodes, one after the other or at once, comes out as the model says."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from domain.availability import DAYS, Schedule, WeekWindow
from tests.bookings.machine_run import CLIENTS, TRAINERS, MachineRun
from tests.bookings.market import Data, Market
from tests.bookings.model import Actor, BookingModel
from tests.bookings.model_bookings import NOTICE, ModelBooking
from tests.bookings.model_commands import Book, Cancel, ComeBack, Move, NoShow, Order, SetPricing, SetWeek, TakeOff
from tests.harness.machines import run_machine

TIMEOUT_SECONDS = 60.0
# Before New York's and London's clocks change, and the ISO year; on a Friday, a Wednesday, a Saturday and a Thursday.
BEGINS = ("2027-03-12T15:00", "2027-10-27T21:30", "2027-11-06T03:00", "2026-12-31T11:00")
ZONES = ("UTC", "America/New_York", "UTC", "Europe/London", "Asia/Kathmandu")
# From and until, each of the days; the last is refused.
HOURS = (((0, 1440),), ((480, 720), (720, 1080)), ((1200, 120),), ((360, 600), (1260, 1440)), ((480, 720), (660, 780)))
# Duration and break_mins.
SIZES = ((60, 0), (60, 15), (30, 10), (90, 30), (240, 5))
MILLISECOND = timedelta(milliseconds=1)


def week(zone: str, hours: tuple[tuple[int, int], ...], size: tuple[int, int]) -> Schedule:
    windows = tuple(WeekWindow(day=day, start=start, end=end) for day in DAYS for start, end in hours)
    return Schedule(time_zone=zone, duration=size[0], break_mins=size[1], windows=windows)


NODE, CLIENT, TRAINER, NUMBER = (st.integers(0, last) for last in (1, CLIENTS - 1, TRAINERS - 1, 9))
WEEK = st.builds(week, *map(st.sampled_from, (ZONES, HOURS[:-1], SIZES)))
ANY_WEEK = st.builds(week, *map(st.sampled_from, (ZONES, HOURS, SIZES)))
START = st.tuples(
    st.sampled_from(["free", "free", "free", "offered", "engaged", "taken"] * 2 + ["off grid", "past", "far"]),
    st.integers(0, 40),
)
WHO = st.sampled_from(["client", "trainer", "admin"] * 2 + ["client", "another client", "trainer", "another trainer"])
SPAN = st.none() | st.sampled_from([(0, 1440), (540, 660), (1380, 60)])


def _step(name: str, **arguments: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[str, Data]]:
    return st.tuples(st.just(name), st.fixed_dictionaries(arguments))


_BOOK = _step("book", client=CLIENT, trainer=TRAINER, start=START, pay=st.sampled_from(["credit", "trial", "credit"]))
_CANCEL = _step("cancel", pick=NUMBER, who=WHO)
_MOVE = _step("move", pick=NUMBER, who=WHO, start=START)
_NO_SHOW = _step("no_show", pick=NUMBER, who=st.sampled_from(["trainer", "trainer", "client", "admin"]))
ORDER = st.one_of(_BOOK, _MOVE, _CANCEL, _BOOK, _NO_SHOW, _MOVE)
# One order, two at once, or the same twice at once.
_ROUND = st.one_of(st.tuples(ORDER), st.tuples(ORDER), st.tuples(ORDER, ORDER), ORDER.map(lambda order: (order, order)))
_ORDERS = _step("order", node=NODE, rounds=st.lists(_ROUND, min_size=2, max_size=4))
_MOMENT = _step(
    "moment", node=NODE, pick=NUMBER, edge=st.integers(0, 4), by=st.sampled_from([0, 0, 1, -1]),
    order=st.one_of(_CANCEL, _NO_SHOW, _MOVE),
)  # fmt: skip
# One rule that chooses among them: Hypothesis leaves whole rules out of an example, and with them what they would meet.
# The example of all first choices is always tried: that one is short.
STEP = st.one_of(
    _MOMENT,
    _ORDERS,
    _MOMENT,
    _ORDERS,
    _step("wait", hours=st.sampled_from([0.25, 1, 5, 12, 24])),
    _step("week", node=NODE, trainer=TRAINER, week=ANY_WEEK),
    _step("off", node=NODE, trainer=TRAINER, ahead=st.integers(-1, 4), span=SPAN),
    _step("back", node=NODE, trainer=TRAINER, number=NUMBER),
    _step(
        "pricing", node=NODE, trainer=TRAINER, policy=st.sampled_from([*NOTICE]),
        free=st.sampled_from([True, True, False]), trials=st.sampled_from([1, 2, 0]),
    ),
    _step("grant", client=CLIENT, trainer=TRAINER),
    _step("repeat", node=NODE, number=NUMBER, other=st.booleans()),
)  # fmt: skip


class Bookings(RuleBasedStateMachine):
    market: ClassVar[Market]
    loop: ClassVar[asyncio.AbstractEventLoop]
    machine_run: MachineRun

    def do(self, step: Coroutine[Any, Any, None]) -> None:
        """A step on the loop of the tests; Hypothesis runs in a thread of its own."""
        asyncio.run_coroutine_threadsafe(step, self.loop).result(TIMEOUT_SECONDS)

    @property
    def trade(self) -> BookingModel:
        return self.machine_run.trade

    @initialize(
        begin=st.sampled_from(BEGINS),
        weeks=st.lists(WEEK, min_size=TRAINERS, max_size=TRAINERS),
        credits=st.sampled_from([1, 2, 3]),
        filled=st.lists(_BOOK, min_size=2, max_size=6),
    )
    def open(self, begin: str, weeks: list[Schedule], credits: int, filled: list[tuple[str, Data]]) -> None:
        async def make() -> None:
            now = datetime.fromisoformat(begin).replace(tzinfo=UTC)
            self.machine_run = await MachineRun.open(self.market, now, weeks, credits)
            for trainer in range(TRAINERS):
                await self.machine_run.does(
                    0, SetPricing(trainer, [*NOTICE][trainer], free_trial=True, trials=1 + trainer)
                )

        self.do(make())
        self.order(0, [(each,) for each in filled])

    @rule(step=STEP)
    def step(self, step: tuple[str, Data]) -> None:
        name, arguments = step
        getattr(self, name)(**arguments)

    # --- bookings ---

    def order(self, node: int, rounds: Sequence[tuple[tuple[str, Data], ...]]) -> None:
        for orders in rounds:
            made = [self._order(name, **how) for name, how in orders if name == "book" or self.trade.deals]
            if made:
                self.do(self.machine_run.does(node, *made))

    def _order(self, name: str, *, pick: int = 0, **how: Any) -> Order:
        made: Order = self.book(**how) if name == "book" else getattr(self, name)(self._deal(pick), **how)
        return made

    def book(self, client: int, trainer: int, start: tuple[str, int], pay: str) -> Order:
        return Book(client, trainer, self._start(client, trainer, *start), pay)

    def cancel(self, deal: ModelBooking, who: str) -> Order:
        return Cancel(deal.id, _actor(deal, who))

    def move(self, deal: ModelBooking, who: str, start: tuple[str, int]) -> Order:
        # The contract does not say that administrators move bookings.
        actor = _actor(deal, "trainer" if who == "admin" else who)
        return Move(deal.id, actor, self._start(deal.client, deal.trainer, *start))

    def no_show(self, deal: ModelBooking, who: str) -> Order:
        return NoShow(deal.id, _actor(deal, who))

    def repeat(self, node: int, number: int, other: bool) -> None:
        if self.machine_run.done:
            done = self.machine_run.done[-1 - number % len(self.machine_run.done)]
            if other and isinstance(done.order, Book | Move):
                self.do(self.machine_run.changes_its_mind(node, done, done.order.otherwise()))
            else:
                self.do(self.machine_run.repeats(node, done))

    # --- time ---

    def moment(self, node: int, pick: int, edge: int, by: int, order: tuple[str, Data]) -> None:
        """To where something about a booking changes, or right before or after it; and there it is changed."""
        if not self.trade.deals:
            return
        deal, (name, how) = self._deal(pick), order
        self.do(self.machine_run.passes(deal.edges[edge] + by * MILLISECOND))
        # Time may have made something else of it.
        there = {argument: value for argument, value in how.items() if argument != "pick"}
        self.do(self.machine_run.does(node, getattr(self, name)(self.trade.deals[deal.id], **there)))

    def wait(self, hours: float) -> None:
        self.do(self.machine_run.passes(self.trade.now + timedelta(hours=hours)))

    # --- trainers ---

    def week(self, node: int, trainer: int, week: Schedule) -> None:
        self.do(self.machine_run.does(node, SetWeek(trainer, week)))

    def off(self, node: int, trainer: int, ahead: int, span: tuple[int, int] | None) -> None:
        day = self.trade.shops[trainer].today(self.trade.now) + timedelta(days=ahead)
        self.do(self.machine_run.does(node, TakeOff(trainer, day, span)))

    def back(self, node: int, trainer: int, number: int) -> None:
        """Also from another's exception."""
        away = [one for shop in self.trade.shops for one in shop.away]
        if away:
            self.do(self.machine_run.does(node, ComeBack(trainer, away[number % len(away)])))

    def pricing(self, node: int, trainer: int, policy: str, free: bool, trials: int) -> None:
        self.do(self.machine_run.does(node, SetPricing(trainer, policy, free, trials)))

    def grant(self, client: int, trainer: int) -> None:
        self.do(self.machine_run.grant((client, trainer), 1))

    # --- which ---

    def _deal(self, pick: int) -> ModelBooking:
        """Mostly one that is still to take place."""
        deals = sorted(self.trade.deals.values(), key=lambda deal: (deal.start, deal.id))
        upcoming = [deal for deal in deals if deal.status == "confirmed"]
        among = upcoming if upcoming and pick < 7 else deals
        return among[pick % len(among)]

    def _start(self, client: int, trainer: int, kind: str, number: int) -> datetime:
        trade = self.trade
        found = [start for start, _ in trade.free(trainer)]
        if kind == "offered":
            found = trade.ahead(trainer)
        elif kind == "engaged":
            offer = trade.shops[trainer].offer(trade.now)
            found = [start for start in trade.ahead(trainer) if trade.is_engaged(client, start, offer[start])]
        elif kind == "taken":
            found = sorted(deal.start for deal in trade.deals.values() if deal.trainer == trainer)
        elif kind == "past":
            found = [start for start in trade.shops[trainer].offer(trade.now) if start <= trade.now]
        start = found[number % len(found)] if found else trade.now + timedelta(hours=1)
        return start + {"off grid": timedelta(minutes=5), "far": timedelta(days=63)}.get(kind, timedelta())


def _actor(deal: ModelBooking, who: str) -> Actor:
    actors: dict[str, Actor] = {
        "client": ("client", deal.client),
        "trainer": ("trainer", deal.trainer),
        "admin": ("admin", 0),
        "another client": ("client", (deal.client + 1) % CLIENTS),
        "another trainer": ("trainer", (deal.trainer + 1) % TRAINERS),
    }
    return actors[who]


@pytest.mark.parametrize("examples", [2, pytest.param(5, marks=pytest.mark.verify)])
async def test_everything_comes_out_as_the_model_says(market: Market, examples: int) -> None:
    await run_machine(Bookings, examples, 30, market=market)


@pytest.mark.soak
async def test_everything_comes_out_as_the_model_says_for_long(market: Market) -> None:
    await run_machine(Bookings, 100, 40, market=market)
