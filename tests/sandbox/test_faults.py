"""What goes wrong on the way to Stripe and back."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import stripe

from tests.harness.waiting import eventually
from tests.sandbox.shop import Shop

PARAMS: Any = {"amount": 5000, "currency": "usd"}


@pytest.mark.parametrize("status", [409, 429, 500])
async def test_errors(shop: Shop, status: int) -> None:
    await shop.control("POST", "/faults", action="error", status=status, path="/v1/payment_intents", retry_after=1)
    await shop.platform.v1.balance.retrieve_async()
    with pytest.raises(stripe.StripeError) as failed:
        await shop.platform.v1.payment_intents.create_async(PARAMS, {"idempotency_key": "k"})
    assert failed.value.http_status == status
    assert failed.value.headers is not None and failed.value.headers["Retry-After"] == "1"
    assert not await shop.types()
    await shop.platform.v1.payment_intents.create_async(PARAMS, {"idempotency_key": "k"})


@pytest.mark.parametrize("fault", [{"action": "lose"}, {"action": "error", "status": 500}])
async def test_the_work_is_done_and_the_answer_lost(shop: Shop, fault: dict[str, Any]) -> None:
    await shop.control("POST", "/faults", **fault, after=True, method="POST", path="/v1/payment_intents")
    with pytest.raises(stripe.StripeError):
        await shop.platform.v1.payment_intents.create_async(PARAMS, {"idempotency_key": "k"})
    again = await shop.platform.v1.payment_intents.create_async(PARAMS, {"idempotency_key": "k"})
    assert [one.id for one in (await shop.platform.v1.payment_intents.list_async()).data] == [again.id]
    assert await shop.types() == ["payment_intent.created"]


async def test_an_error_that_stripe_keeps_is_its_answer_for_a_day(shop: Shop) -> None:
    await shop.control("POST", "/faults", action="error", after=True, stored=True, path="/v1/payment_intents")
    for _ in range(3):
        with pytest.raises(stripe.APIError):
            await shop.platform.v1.payment_intents.create_async(PARAMS, {"idempotency_key": "k"})
    # All the same it is there, for who looks.
    assert len((await shop.platform.v1.payment_intents.list_async()).data) == 1


@pytest.mark.parametrize("after", [True, False])
async def test_hanging(shop: Shop, after: bool) -> None:
    await shop.control("POST", "/faults", action="hang", after=after, path="/v1/payment_intents")
    call = asyncio.ensure_future(shop.platform.v1.payment_intents.create_async(PARAMS, {"idempotency_key": "k"}))
    await eventually(lambda: _is_hanging(shop, after))
    assert not call.done()
    call.cancel()
    await asyncio.gather(call, return_exceptions=True)
    assert bool(await shop.types()) == after


async def _is_hanging(shop: Shop, after: bool) -> bool:
    return bool(await shop.types()) if after else not (await shop.control("GET", ""))["faults"]


async def test_the_library_tries_again_by_itself(shop: Shop) -> None:
    await shop.control("POST", "/faults", action="lose", after=True, times=1, path="/v1/customers")
    made = await shop.platform.v1.customers.create_async({}, {"max_network_retries": 2})
    assert [one.id for one in (await shop.platform.v1.customers.list_async()).data] == [made.id]


async def test_faults_count_and_skip(shop: Shop) -> None:
    await shop.control("POST", "/faults", action="error", skip=1, times=2, path="/v1/balance")
    outcomes = []
    for _ in range(4):
        try:
            await shop.platform.v1.balance.retrieve_async()
            outcomes.append(True)
        except stripe.APIError:
            outcomes.append(False)
    assert outcomes == [True, False, False, True]
    for bad in ({"action": "explode"}, {"action": "error", "colour": 1}, {}):
        async with shop.http.post(f"{shop.url}/_sandbox/faults", json=bad) as response:
            assert response.status == 400
