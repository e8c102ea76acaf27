"""Whatever is bought, paid, held, refunded, disputed, booked, cancelled and erased, in any order and at once, told by
Stripe or not: money and credits are conserved."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Coroutine
from datetime import UTC, datetime
from itertools import count
from typing import Any, ClassVar

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from domain.payments import Transaction
from sandbox.delivery import Disturbance
from sandbox.server import SECRET_KEY
from store.stripe_lists import NAME as STRIPE_LISTS
from tests.bookings.market import Answer, Data, Somebody
from tests.harness.machines import run_machine
from tests.payments.books import Books, reconcile
from tests.payments.shop import DECLINED, Shop

CARDS = {
    "good": "pm_card_visa",
    "declined": DECLINED,
    "disputed": "pm_card_createDispute",
    "unrefundable": "pm_card_refundFail",
    "delayed": "pm_usBankAccount_success",
    "delayed and refused": "pm_usBankAccount_insufficientFunds",
}
CLIENTS = 2
TIMEOUT_SECONDS = 60.0
_numbers = count()


class Trade:
    """Two clients of one trainer."""

    def __init__(self, shop: Shop, trainer: Somebody, clients: list[Somebody], admin: Somebody) -> None:
        self.shop, self.trainer, self.clients, self.admin = shop, trainer, clients, admin
        self.sold: list[tuple[int, Data]] = []
        self.bookings: list[tuple[int, Data]] = []
        self.disputes: list[str] = []
        self.refunds: list[str] = []
        self.erased: set[str] = set()
        self.hours = count(1)
        self.steps: list[str] = []

    @classmethod
    async def open(cls, shop: Shop, told: bool) -> Trade:
        shop.market.clock.now = datetime.now(UTC).replace(microsecond=0)
        shop.sandbox.delivery.endpoints[:] = [shop.endpoint()] if told else []
        shop.sandbox.delivery.disturbance = Disturbance(copies=2, jitter=0.05)
        await shop.control("POST", "/balance", amount=10_000_000)
        # An example before this one went on into days that are still to come.
        shop.sandbox.state.ahead = 0.0
        # Nor is what was told of those before listed again and again: that would grow with every example.
        for event in list(shop.sandbox.state.all("event")):
            shop.sandbox.state.delete(event["id"])
        began = {"seenUntil": shop.market.clock(), "dueAt": shop.market.clock()}
        await shop.market.nodes[0].database.collection(STRIPE_LISTS).update_many({}, {"$set": began})
        clients = [await shop.market.client() for _ in range(CLIENTS)]
        return cls(shop, await shop.seller(), clients, await shop.market.somebody("admin"))

    def _answered(self, answer: Answer) -> Answer:
        assert answer.status < 500 or answer.code == "unavailable", answer
        return answer

    # --- steps ---

    async def buy(self, client: int, pack: str, node: int) -> None:
        if self._is_gone(client):
            return
        answer = self._answered(await self.shop.buy(self.clients[client], self.trainer, pack, node=node))
        if answer.status == 201:
            self.sold.append((client, answer.body))

    async def book(self, client: int, pay: str, node: int) -> None:
        if self._is_gone(client):
            return
        start = self.shop.market.at(0, days=2 + next(self.hours))
        market = self.shop.market
        asked = await market.book(self.clients[client], self.trainer, start, pay_with=pay, node=node)
        answer = self._answered(asked)
        if answer.status == 201:
            self.bookings.append((client, answer.body))
            if pay == "card":
                self.sold.append((client, answer.body))

    async def cancel(self, pick: int, by: str) -> None:
        if not self.bookings:
            return
        client, booking = self.bookings[pick % len(self.bookings)]
        who = self.clients[client] if by == "client" else self.trainer
        if who.id not in self.erased:
            self._answered(await self.shop.market.cancel(booking, who))

    async def pay(self, pick: int, card: str) -> None:
        if self.sold:
            await self.shop.pay(self.sold[pick % len(self.sold)][1], CARDS[card])

    async def settle(self, pick: int, outcome: str) -> None:
        transaction = await self._transaction(pick)
        if transaction is not None and transaction.intent_id is not None:
            await self._control(f"/payment_intents/{transaction.intent_id}/settle", outcome=outcome)

    async def read(self, pick: int, node: int) -> None:
        transaction = await self._transaction(pick)
        if transaction is not None and self.trainer.id not in self.erased:
            path = f"/purchases/{transaction.id}"
            self._answered(await self.shop.market.call("GET", path, None, self.trainer, node=node))

    async def refund(self, pick: int, credits: int | None, node: int) -> None:
        transaction = await self._transaction(pick)
        if transaction is None:
            return
        body: Data = {} if credits is None else {"credits": credits}
        path, key = f"/admin/transactions/{transaction.id}/refund", f"refund-{next(_numbers)}"
        self._answered(await self.shop.market.call("POST", path, body, self.admin, key=key, node=node))

    async def refund_elsewhere(self, pick: int, parts: int) -> None:
        transaction = await self._transaction(pick)
        if transaction is None or transaction.intent_id is None:
            return
        form = {"payment_intent": transaction.intent_id, "amount": str(transaction.amount // parts)}
        headers = {"Authorization": f"Bearer {SECRET_KEY}"}
        url = f"{self.shop.sandbox.url}/v1/refunds"
        async with self.shop.market.http.post(url, data=form, headers=headers) as response:
            if response.status == 200:
                self.refunds.append((await response.json())["id"])

    async def refund_fails(self, pick: int) -> None:
        if self.refunds:
            await self._control(f"/refunds/{self.refunds[pick % len(self.refunds)]}/fail")

    async def dispute(self, pick: int, parts: int) -> None:
        transaction = await self._transaction(pick)
        if transaction is not None and transaction.intent_id is not None:
            how = {"payment_intent": transaction.intent_id, "amount": transaction.amount // parts}
            made = await self._control("/disputes", **how)
            self.disputes += [made["id"]] if "id" in made else []

    async def decide(self, pick: int, outcome: str) -> None:
        if self.disputes:
            await self._control(f"/disputes/{self.disputes[pick % len(self.disputes)]}/close", outcome=outcome)

    async def fault(self, path: str, after: bool, status: int) -> None:
        how = {"action": "error", "after": after, "status": status, "method": "POST"}
        await self.shop.control("POST", "/faults", path=path, **how)

    async def wait(self, minutes: int) -> None:
        """Here and at Stripe."""
        self.shop.market.clock.advance(minutes=minutes)
        await reconcile(self.shop)
        self._tell_stripe_the_time()

    def _tell_stripe_the_time(self) -> None:
        state, now = self.shop.sandbox.state, self.shop.market.clock()
        state.ahead = max(0.0, (now - datetime.now(UTC)).total_seconds())

    async def erase(self, who: str) -> None:
        somebody = self.trainer if who == "trainer" else self.clients[0]
        # The log is read by who is left.
        if not self.erased:
            self.erased.add(somebody.id)
            await self.shop.market.store.erasures.erase(somebody.user, self.shop.market.clock())

    # --- the end ---

    async def end(self) -> None:
        """All that is to come of it has come."""
        self.shop.sandbox.faults.clear()
        self.shop.sandbox.delivery.endpoints.clear()
        for _ in range(3):
            await self.wait(13 * 60)

    async def check(self) -> None:
        for client in self.clients:
            reader = self.trainer if client.id in self.erased else client
            await Books(self.shop, client, self.trainer, reader).check()

    def _is_gone(self, client: int) -> bool:
        return bool({self.clients[client].id, self.trainer.id} & self.erased)

    async def _transaction(self, pick: int) -> Transaction | None:
        if not self.sold:
            return None
        sold = self.sold[pick % len(self.sold)][1]
        store = self.shop.market.store.transactions
        return await store.by_id(sold["id"]) or await store.by_booking(sold["id"])

    async def _control(self, path: str, **body: Any) -> Data:
        """What Stripe will not do, it does not."""
        url = f"{self.shop.sandbox.url}/_sandbox{path}"
        async with self.shop.market.http.post(url, json=body) as response:
            found: Data = await response.json()
            return found


def _step(name: str, **arguments: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[str, Data]]:
    return st.tuples(st.just(name), st.fixed_dictionaries(arguments))


PICK, NODE, CLIENT = st.integers(0, 4), st.integers(0, 1), st.integers(0, CLIENTS - 1)
PARTS = st.sampled_from([1, 2, 5])
_BUY = _step("buy", client=CLIENT, pack=st.sampled_from(["five", "single", "ten"]), node=NODE)
_HOLD = _step("book", client=CLIENT, pay=st.sampled_from(["card", "credit"]), node=NODE)
_PAY = _step("pay", pick=PICK, card=st.sampled_from(["good"] * 4 + list(CARDS)))
_REFUND = _step("refund", pick=PICK, credits=st.sampled_from([None, 1, 2]), node=NODE)
_DISPUTE = _step("dispute", pick=PICK, parts=PARTS)
_CANCEL = _step("cancel", pick=PICK, by=st.sampled_from(["client", "trainer"]))
# One rule that chooses among them, as that of bookings.
ONE = st.one_of(
    _BUY, _PAY, _HOLD, _PAY, _BUY, _PAY, _REFUND, _CANCEL,
    _step("settle", pick=PICK, outcome=st.sampled_from(["succeeded", "failed"])),
    _step("read", pick=PICK, node=NODE),
    _step("refund_elsewhere", pick=PICK, parts=PARTS),
    _step("refund_fails", pick=PICK),
    _DISPUTE,
    _step("decide", pick=PICK, outcome=st.sampled_from(["won", "lost"])),
    _step(
        "fault",
        path=st.sampled_from([".*", "/v1/payment_intents", "/v1/refunds", "/v1/payment_intents/.*/cancel"]),
        after=st.booleans(), status=st.sampled_from([500, 409, 429]),
    ),
    _step("wait", minutes=st.sampled_from([1, 5, 15, 16, 60])),
)  # fmt: skip
ROUND = st.one_of(st.tuples(ONE), st.tuples(ONE), st.tuples(ONE, ONE), ONE.map(lambda one: (one, one)))


class Conservation(RuleBasedStateMachine):
    shop: ClassVar[Shop]
    loop: ClassVar[asyncio.AbstractEventLoop]
    trade: Trade

    def do(self, step: Coroutine[Any, Any, Any]) -> Any:
        """On the loop of the tests; Hypothesis runs in a thread of its own."""
        try:
            return asyncio.run_coroutine_threadsafe(step, self.loop).result(TIMEOUT_SECONDS)
        except BaseException:
            # Hypothesis may have something else to say, of what it tries after it.
            traceback.print_exc()
            raise

    @initialize(told=st.booleans(), first=st.lists(_BUY, min_size=1, max_size=2))
    def open(self, told: bool, first: list[tuple[str, Data]]) -> None:
        self.trade = self.do(Trade.open(self.shop, told))
        for one in first:
            self.at_once((one,))
        for number in range(len(first)):
            self.at_once((("pay", {"pick": number, "card": "good"}),))

    @rule(steps=ROUND)
    def at_once(self, steps: tuple[tuple[str, Data], ...]) -> None:
        async def do() -> None:
            await asyncio.gather(*(getattr(self.trade, name)(**how) for name, how in steps))

        self.do(do())

    @rule(pick=PICK, who=st.sampled_from(["client", "trainer"]))
    def leaves(self, pick: int, who: str) -> None:
        # Seldom: not much comes after it.
        if pick == 0 and len(self.trade.sold) > 2:
            self.do(self.trade.erase(who))

    def teardown(self) -> None:
        if hasattr(self, "trade"):
            self.do(self.trade.end())
            self.do(self.trade.check())
            self.shop.sandbox.state.ahead = 0.0


async def test_money_and_credits_are_conserved(shop: Shop) -> None:
    await run_machine(Conservation, 8, 10, shrinks=False, shop=shop)


@pytest.mark.soak
async def test_money_and_credits_are_conserved_for_long(shop: Shop) -> None:
    await run_machine(Conservation, 150, 25, shrinks=False, shop=shop)
