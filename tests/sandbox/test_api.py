"""What all operations share: keys, parameters, idempotency, lists, expansion, errors."""

from __future__ import annotations

from typing import Any

import pytest
import stripe

from sandbox import document
from sandbox.operations import OPERATIONS
from tests.sandbox.shop import Shop


def test_every_operation_is_in_stripes_document() -> None:
    for method, path in OPERATIONS:
        found = document.operation(method, path.replace("{", "").replace("}", ""))
        assert found is not None, path
        assert (found[0].method, found[0].path) == (method, path)


async def _raw(
    shop: Shop, method: str, path: str, body: str = "", key: str = "sk_test_sandbox", **headers: str
) -> tuple[int, Any]:
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Authorization": f"Bearer {key}", **headers}
    async with shop.http.request(method, f"{shop.url}{path}", data=body, headers=headers) as response:
        return response.status, await response.json()


@pytest.mark.parametrize(
    ("body", "param", "code"),
    [
        ("currency=usd", "amount", "parameter_missing"),
        ("amount=5000&currency=usd&colour=red", "colour", "parameter_unknown"),
        ("amount=5000&currency=usd&transfer_data[to]=acct_1", "transfer_data[to]", "parameter_unknown"),
        ("amount=50.5&currency=usd", "amount", "parameter_invalid_integer"),
        ("amount=5000&currency=usd&confirm=yes", "confirm", "parameter_invalid_boolean"),
        ("amount=5000&currency=usd&setup_future_usage=maybe", "setup_future_usage", None),
        ("amount=5000&currency=dollars", "currency", None),
        ("amount=10&currency=usd", "amount", "amount_too_small"),
        ("amount=5000&currency=usd&customer=cus_nobody", "customer", "resource_missing"),
        ("amount=5000&currency=usd&metadata[a]=" + "x" * 501, "metadata[a]", None),
        ("amount[x]=1&currency=usd", "amount", "parameter_invalid_integer"),
    ],
)
async def test_what_stripe_would_refuse(shop: Shop, body: str, param: str, code: str | None) -> None:
    status, answer = await _raw(shop, "POST", "/v1/payment_intents", body)
    error = answer["error"]
    assert (status, error["type"], error["param"]) == (400, "invalid_request_error", param)
    if code:
        assert error["code"] == code
    assert not await shop.types()


async def test_keys(shop: Shop) -> None:
    for key in ("sk_test_other", "sk_live_real", "x"):
        status, answer = await _raw(shop, "GET", "/v1/balance", key=key)
        assert (status, answer["error"]["type"]) == (401, "invalid_request_error")
    assert (await _raw(shop, "GET", "/v1/balance", Authorization=""))[0] == 401
    assert (await _raw(shop, "GET", "/v1/balance", key="pk_test_sandbox"))[0] == 403
    assert (await _raw(shop, "GET", "/v1/balance", **{"Stripe-Version": "tomorrow"}))[0] == 400
    assert (await _raw(shop, "GET", "/v1/balance", **{"Stripe-Account": "acct_other"}))[0] == 403
    assert (await _raw(shop, "GET", "/v1/unicorns"))[0] == 404
    assert (await _raw(shop, "GET", "/v1/customers/cus_nobody"))[0] == 404


async def test_the_same_key_does_the_work_once(shop: Shop) -> None:
    params: Any = {"amount": 5000, "currency": "usd", "metadata": {"purchase": "p1"}}
    create = shop.platform.v1.payment_intents.create_async
    first = await create(params, {"idempotency_key": "k"})
    again = await create(params, {"idempotency_key": "k"})
    assert (again.id, again.client_secret) == (first.id, first.client_secret)
    assert again.last_response is not None and again.last_response.headers["Idempotent-Replayed"] == "true"
    other: Any = {**params, "amount": 6000}
    with pytest.raises(stripe.IdempotencyError):
        await create(other, {"idempotency_key": "k"})
    with pytest.raises(stripe.IdempotencyError):
        await shop.platform.v1.customers.create_async({}, {"idempotency_key": "k"})
    assert await shop.types() == ["payment_intent.created"]
    await shop.control("POST", "/clock", advance=24 * 3600 + 1)
    assert (await create(params, {"idempotency_key": "k"})).id != first.id


async def test_a_stored_refusal_is_stored(shop: Shop) -> None:
    intent = await shop.intent(payment_method="pm_card_visa_chargeDeclined")
    params: Any = {"return_url": "http://127.0.0.1:1/"}
    for _ in range(2):
        with pytest.raises(stripe.CardError):
            await shop.platform.v1.payment_intents.confirm_async(intent.id, params, {"idempotency_key": "k"})
    assert (await shop.types()).count("charge.failed") == 1
    unknown: Any = {"colour": "red"}
    # What was refused before any work began may be asked again in other words.
    with pytest.raises(stripe.InvalidRequestError):
        await shop.platform.v1.customers.create_async(unknown, {"idempotency_key": "c"})
    await shop.platform.v1.customers.create_async({}, {"idempotency_key": "c"})


async def test_pages(shop: Shop) -> None:
    made = [(await shop.intent(metadata={"number": str(number)})).id for number in range(7)][::-1]
    intents = shop.platform.v1.payment_intents
    first = await intents.list_async({"limit": 3})
    assert ([one.id for one in first.data], first.has_more) == (made[:3], True)
    second = await intents.list_async({"limit": 3, "starting_after": made[2]})
    assert [one.id for one in second.data] == made[3:6]
    back = await intents.list_async({"limit": 3, "ending_before": made[3]})
    assert [one.id for one in back.data] == made[:3]
    assert [one.id async for one in first.auto_paging_iter()] == made
    for bad in ({"limit": 101}, {"limit": 0}, {"starting_after": "pi_none"}):
        with pytest.raises(stripe.InvalidRequestError):
            await intents.list_async(bad)  # type: ignore[arg-type]
    assert not (await intents.list_async({"created": {"lt": 1}})).data
    found = await intents.search_async({"query": "metadata['number']:'4'"})
    assert [one.id for one in found.data] == [made[2]]


async def test_expansion(shop: Shop) -> None:
    await shop.paid(await shop.seller())
    listed = await shop.platform.v1.payment_intents.list_async(
        {"expand": ["data.latest_charge.balance_transaction", "data.latest_charge.transfer.destination_payment"]}
    )
    charge = listed.data[0].latest_charge
    assert isinstance(charge, stripe.Charge) and isinstance(charge.balance_transaction, stripe.BalanceTransaction)
    assert charge.balance_transaction.net == 4825
    assert isinstance(charge.transfer, stripe.Transfer)
    assert isinstance(charge.transfer.destination_payment, stripe.Charge)
    for path in ("amount", "data.nonsense", "data.latest_charge.amount"):
        with pytest.raises(stripe.InvalidRequestError, match="expanded"):
            await shop.platform.v1.payment_intents.list_async({"expand": [path]})


async def test_customers(shop: Shop) -> None:
    customers = shop.platform.v1.customers
    made = await customers.create_async({"email": "a@example.com", "metadata": {"a": "1", "b": "2"}})
    changed = await customers.update_async(made.id, {"metadata": {"a": "", "c": "3"}, "name": "Ana"})
    assert changed.metadata is not None and changed.metadata.to_dict() == {"b": "2", "c": "3"}
    assert [one.id for one in (await customers.list_async({"email": "a@example.com"})).data] == [made.id]
    assert (await customers.delete_async(made.id)).deleted
    assert (await customers.retrieve_async(made.id)).deleted
    with pytest.raises(stripe.InvalidRequestError):
        await shop.intent(customer=made.id)
