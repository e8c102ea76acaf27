"""Stripe fails, hangs, or does the work and loses the answer, at each call of each operation: requests are answered in
time, nothing is half done, and in the end all agree."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from domain.errors import Code, DomainError
from sandbox.delivery import Endpoint
from sandbox.server import WEBHOOK_SECRET
from server.payments import stripe_calls
from server.payments.stripe_calls import CALLS_OF_ONE, StripeCalls
from store.command_budget import Budget, within
from tests.bookings.market import Answer, Somebody
from tests.harness.waiting import until
from tests.payments.books import reconcile
from tests.payments.operations import NEW_TRAINER, OPERATIONS, Operation, PaymentParties, trainer_for
from tests.payments.shop import Shop

# A request's whole budget is 10 s.
ANSWERED_WITHIN_SECONDS = 12.0
FAULTS: dict[str, dict[str, Any]] = {
    "error": {"action": "error", "status": 500},
    "busy": {"action": "error", "status": 429, "retry_after": 2},
    "at work": {"action": "error", "status": 409},
    "lost request": {"action": "lose"},
    "lost answer": {"action": "lose", "after": True},
    "error afterwards": {"action": "error", "status": 500, "after": True},
    "error that is kept": {"action": "error", "status": 500, "after": True, "stored": True},
    "hangs": {"action": "hang"},
    "hangs afterwards": {"action": "hang", "after": True},
}


@pytest.fixture
async def impatient(shop: Shop, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A call that hangs costs a test few seconds."""
    if "hang" in request.node.name:
        for node in shop.market.nodes:
            # Its connections are made with the time-outs that hold otherwise.
            await node.context.payments.events_since(datetime.now(UTC))
        monkeypatch.setattr(stripe_calls, "CALL_SECONDS", 1.5)


async def one_fault(
    shop: Shop, operation: Operation, fault: dict[str, Any], number: int, trainer: Somebody, hour: int
) -> bool:
    """At the call of this number; false when there are not so many."""
    market, endpoints, faults = shop.market, shop.sandbox.delivery.endpoints, shop.sandbox.faults
    market.clock.now = datetime.now(UTC).replace(microsecond=0)
    endpoints.clear()
    parties = PaymentParties(shop, trainer, await market.client(), await market.somebody("admin"), hour=hour % 24)
    await operation.prepare(parties)
    if operation.events:
        endpoints.append(Endpoint(f"{market.urls[1]}/v1/webhooks/stripe", [WEBHOOK_SECRET], [*operation.events]))
    # What the test itself asks of Stripe is not Spotter's call.
    await shop.control("POST", "/faults", path=operation.calls, method=operation.method, skip=number, **fault)
    async with asyncio.timeout(ANSWERED_WITHIN_SECONDS):
        answer = await operation.begin(parties)
    if isinstance(answer, Answer):
        assert answer.status in (200, 201) or answer.code == "unavailable", answer
    if operation.at_start:
        market.clock.advance(seconds=operation.ago.total_seconds())
    await reconcile(shop)
    hit = not faults.listed()
    faults.clear()
    await operation.again(parties)
    market.clock.advance(minutes=2)
    await reconcile(shop)
    await operation.end(parties)
    return hit


async def each_call(shop: Shop, kind: str, fault: str, first: int = 0) -> int:
    trainer, number = await trainer_for(shop, kind), 0
    while await one_fault(shop, OPERATIONS[kind](), FAULTS[fault], number, trainer, first + number):
        number += 1
        if kind in NEW_TRAINER:
            trainer = await trainer_for(shop, kind)
    return number


# Those by which a call and what is known of it come apart; the others are each tried with a few operations.
_DECISIVE = ("lost answer", "error that is kept")
_IN_TURN = [fault for fault in FAULTS if fault not in _DECISIVE]


def _is_walked(fault: str, operation: int) -> bool:
    return fault in _DECISIVE or fault == _IN_TURN[operation % len(_IN_TURN)]


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        pytest.param(
            fault,
            kind,
            marks=pytest.mark.verify if _is_walked(fault, number) else pytest.mark.soak,
        )
        for fault in FAULTS
        for number, kind in enumerate(OPERATIONS)
    ],
)
async def test_a_fault_at_every_call(untold: Shop, impatient: None, kind: str, fault: str) -> None:
    assert await each_call(untold, kind, fault) > 0


@pytest.mark.parametrize(
    ("kind", "fault"),
    [("hold", "lost answer"), ("refund", "error that is kept"), ("purchase", "error that is kept")],
)
async def test_a_fault_at_decisive_calls(untold: Shop, impatient: None, kind: str, fault: str) -> None:
    assert await each_call(untold, kind, fault) > 0


@pytest.mark.parametrize("path", ["purchases", "bookings"])
async def test_who_waits_for_a_stripe_that_hangs_is_answered_in_time(untold: Shop, path: str) -> None:
    shop = untold
    trainer, client = await shop.seller(), await shop.market.client()
    await shop.control("POST", "/faults", action="hang", method="POST", times=1000)
    async with asyncio.timeout(ANSWERED_WITHIN_SECONDS):
        if path == "purchases":
            answer = await shop.buy(client, trainer)
        else:
            answer = await shop.market.book(client, trainer, shop.market.at(10), pay_with="card")
    assert (answer.status, answer.code) == (503, "unavailable")
    listed = (await shop.market.call("GET", "/transactions", None, client)).body["items"]
    assert [(one["status"], one["transactionId"]) for one in listed] == [("pending", None)]
    await shop.control("DELETE", "/faults")
    shop.market.clock.now += timedelta(minutes=16 if path == "bookings" else 60 * 25)
    await reconcile(shop)
    listed = (await shop.market.call("GET", "/transactions", None, client)).body["items"]
    assert [one["status"] for one in listed] == ["failed"]
    # The slot is anybody's.
    answer = await shop.market.book(await shop.market.client(), trainer, shop.market.at(10, days=2), pay_with="card")
    assert answer.status == 201, answer


async def test_one_account_that_asks_much_leaves_calls_to_others() -> None:
    """While Stripe is slow; and a call that had no turn was not begun."""
    calls, slow, begun = StripeCalls(), asyncio.Event(), 0

    async def answered_late() -> str:
        nonlocal begun
        begun += 1
        await slow.wait()
        return "late"

    async def answered() -> str:
        return "at once"

    async def asks(owner: str, network: str, seconds: float, call: Coroutine[Any, Any, str]) -> str:
        with within(Budget(owner, network, seconds=seconds)):
            return await calls.call(call)

    patient = [asyncio.create_task(asks("greedy", "there", 10.0, answered_late())) for _ in range(40)]
    hurried = [asyncio.create_task(asks("greedy", "there", 0.2, answered_late())) for _ in range(40)]
    await until(lambda: begun > 0)
    assert await asks("other", "there", 5.0, answered()) == "at once"
    assert begun == CALLS_OF_ONE
    for one in await asyncio.gather(*hurried, return_exceptions=True):
        assert isinstance(one, DomainError) and one.code is Code.UNAVAILABLE
    assert (calls.made, calls.failed) == (CALLS_OF_ONE + 1, 0)
    slow.set()
    assert await asyncio.gather(*patient) == ["late"] * 40
    assert begun == calls.made - 1 == 40
