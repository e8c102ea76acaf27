"""PaymentIntents: the test cards' outcomes, and confirmation as a phone does it."""

from __future__ import annotations

from typing import Any

import pytest
import stripe

from sandbox import cards
from tests.sandbox.shop import Shop


async def test_a_phone_pays(shop: Shop) -> None:
    customer = await shop.platform.v1.customers.create_async({"email": "c@example.com", "metadata": {"userId": "u1"}})
    intent = await shop.intent(customer=customer.id, metadata={"purchase": "p1"}, receipt_email="c@example.com")
    assert (intent.status, intent.amount_received) == ("requires_payment_method", 0)
    seen = await shop.confirm(intent)
    assert seen.status == "succeeded"
    # What a phone is shown has nothing of the platform's.
    assert not {"metadata", "transfer_data", "latest_charge", "customer"} & seen.to_dict().keys()
    found = await shop.platform.v1.payment_intents.retrieve_async(intent.id, {"expand": ["latest_charge"]})
    charge = found.latest_charge
    assert isinstance(charge, stripe.Charge)
    assert (found.amount_received, charge.paid, charge.metadata["purchase"]) == (5000, True, "p1")
    assert charge.payment_method_details is not None and charge.payment_method_details.card is not None
    assert charge.payment_method_details.card.last4 == "4242"
    assert await shop.types() == [
        "customer.created", "payment_intent.created", "charge.succeeded", "payment_intent.succeeded",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("card", "code", "decline_code"),
    [
        ("pm_card_visa_chargeDeclined", "card_declined", "generic_decline"),
        ("pm_card_visa_chargeDeclinedInsufficientFunds", "card_declined", "insufficient_funds"),
        ("pm_card_chargeDeclinedExpiredCard", "expired_card", "expired_card"),
        ("pm_card_chargeDeclinedIncorrectCvc", "incorrect_cvc", "incorrect_cvc"),
        ("pm_card_chargeDeclinedProcessingError", "processing_error", "processing_error"),
    ],
)
async def test_declines(shop: Shop, card: str, code: str, decline_code: str) -> None:
    intent = await shop.intent()
    with pytest.raises(stripe.CardError) as declined:
        await shop.confirm(intent, card)
    error = declined.value.error
    assert error is not None
    assert (declined.value.http_status, error.code, error.decline_code) == (402, code, decline_code)
    assert error.payment_intent is not None and error.payment_intent.id == intent.id
    found = await shop.platform.v1.payment_intents.retrieve_async(intent.id)
    assert (found.status, found.payment_method) == ("requires_payment_method", None)
    assert found.last_payment_error is not None and found.last_payment_error.code == code
    assert (await shop.types())[1:] == ["charge.failed", "payment_intent.payment_failed"]
    # The next card is another try at the same payment.
    assert (await shop.confirm(intent)).status == "succeeded"
    assert await shop.net() == 5000 - 175


async def test_a_number_as_a_phone_sends_it(shop: Shop) -> None:
    for number, status in (("4242 4242 4242 4242", 200), ("4000000000000002", 402), ("4242424242424241", 402)):
        intent = await shop.intent()
        card = {"number": number, "exp_month": "12", "exp_year": "2034", "cvc": "123"}
        form = {f"payment_method_data[card][{name}]": value for name, value in card.items()}
        form |= {"payment_method_data[type]": "card", "client_secret": intent.client_secret or ""}
        headers = {"Authorization": "Bearer pk_test_sandbox"}
        url = f"{shop.url}/v1/payment_intents/{intent.id}/confirm"
        async with shop.http.post(url, data=form, headers=headers) as response:
            assert response.status == status, await response.text()
    methods: Any = shop.platform.v1.payment_methods
    with pytest.raises(stripe.StripeError, match="generally unsafe"):
        await methods.create_async(
            {"type": "card", "card": {"number": "4242424242424242", "exp_month": 1, "exp_year": 2034}}
        )


@pytest.mark.parametrize("passed", [True, False])
async def test_authentication_is_a_page(shop: Shop, passed: bool) -> None:
    intent = await shop.intent()
    seen = await shop.confirm(intent, "pm_card_threeDSecure2Required")
    assert seen.status == "requires_action"
    assert seen.next_action is not None
    page = seen.next_action.to_dict()["use_stripe_sdk"]["stripe_js"]
    async with shop.http.get(page) as response:
        assert (await response.text()).count("<form") == 1
    async with shop.http.post(page, data={} if passed else {"outcome": "failed"}) as response:
        assert response.status == 200
    found = await shop.platform.v1.payment_intents.retrieve_async(intent.id)
    assert found.status == ("succeeded" if passed else "requires_payment_method")
    if not passed:
        assert found.last_payment_error is not None
        assert found.last_payment_error.code == "payment_intent_authentication_failure"
    async with shop.http.post(page) as response:
        assert response.status == 404


@pytest.mark.parametrize("outcome", ["succeeded", "failed", None])
async def test_a_delayed_payment(shop: Shop, outcome: str | None) -> None:
    intent = await shop.intent()
    assert (await shop.confirm(intent, "pm_usBankAccount_success")).status == "processing"
    assert await shop.net() == 0
    with pytest.raises(stripe.InvalidRequestError) as refused:
        await shop.platform.v1.payment_intents.cancel_async(intent.id)
    assert refused.value.code == "payment_intent_unexpected_state"
    await shop.control("POST", f"/payment_intents/{intent.id}/settle", **({"outcome": outcome} if outcome else {}))
    found = await shop.platform.v1.payment_intents.retrieve_async(intent.id)
    assert found.status == ("requires_payment_method" if outcome == "failed" else "succeeded")
    assert bool(await shop.net()) == (outcome != "failed")


async def test_what_is_over_stays_over(shop: Shop) -> None:
    canceled = await shop.intent()
    await shop.platform.v1.payment_intents.cancel_async(canceled.id, {"cancellation_reason": "abandoned"})
    paid = await shop.paid()
    for intent in (canceled, paid):
        with pytest.raises(stripe.InvalidRequestError) as refused:
            await shop.confirm(intent)
        assert refused.value.code == "payment_intent_unexpected_state"
        with pytest.raises(stripe.InvalidRequestError):
            await shop.platform.v1.payment_intents.cancel_async(intent.id)
        with pytest.raises(stripe.InvalidRequestError):
            await shop.platform.v1.payment_intents.update_async(intent.id, {"amount": 1})
    assert await shop.net() == 5000 - 175


async def test_only_who_has_the_client_secret(shop: Shop) -> None:
    intent = await shop.intent()
    for secret in ("", "pi_secret_guess", f"{intent.id}_secret_x"):
        params: Any = {"client_secret": secret, "payment_method": "pm_card_visa"}
        with pytest.raises(stripe.InvalidRequestError):
            await shop.phone.v1.payment_intents.confirm_async(intent.id, params)
    with pytest.raises(stripe.InvalidRequestError):
        await shop.phone.v1.payment_intents.retrieve_async(intent.id)
    for call in (shop.phone.v1.customers.list_async(), shop.phone.v1.payment_intents.list_async()):
        with pytest.raises(stripe.PermissionError):
            await call


async def test_a_saved_card_is_offered_again(shop: Shop) -> None:
    customer = (await shop.platform.v1.customers.create_async()).id
    session = await shop.platform.v1.customer_sessions.create_async(
        {
            "customer": customer,
            "components": {
                "mobile_payment_element": {"enabled": True, "features": {"payment_method_save": "enabled"}}
            },
        }
    )
    assert session.client_secret.startswith("cuss_")
    await shop.paid(customer=customer, setup_future_usage="off_session")
    saved = await shop.platform.v1.customers.payment_methods.list_async(customer)
    assert [method.type for method in saved.data] == ["card"]
    again = await shop.intent(customer=customer)
    assert (await shop.confirm(again, saved.data[0].id)).status == "succeeded"
    with pytest.raises(stripe.InvalidRequestError, match="attached to a Customer"):
        await shop.confirm(await shop.intent(), saved.data[0].id)
    await shop.platform.v1.payment_methods.detach_async(saved.data[0].id)
    assert not (await shop.platform.v1.customers.payment_methods.list_async(customer)).data


async def test_card_numbers_are_in_no_answer_and_no_event(shop: Shop) -> None:
    await shop.paid()
    events = str(await shop.platform.v1.events.list_async({"limit": 100}))
    assert "4242" in events
    assert not any(card.number in events for card in cards.TEST_CARDS.values())
