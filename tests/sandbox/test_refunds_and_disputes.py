"""Money that goes back."""

from __future__ import annotations

from typing import Any

import pytest
import stripe

from tests.sandbox.shop import Shop

BACK: Any = {"reverse_transfer": True, "refund_application_fee": True}


async def test_refunds_in_parts_add_up(shop: Shop) -> None:
    seller = await shop.seller()
    intent = await shop.paid(seller, amount=40001)
    for amount in (13334, 13334, 13333):
        part: Any = {"payment_intent": intent.id, "amount": amount, **BACK}
        refund = await shop.platform.v1.refunds.create_async(part)
        assert refund.status == "succeeded" and refund.transfer_reversal
    # Stripe's own fee is not given back.
    assert (await shop.net(seller), await shop.net()) == (0, -(round(40001 * 0.029) + 30))
    with pytest.raises(stripe.InvalidRequestError) as again:
        await shop.platform.v1.refunds.create_async({"payment_intent": intent.id})
    assert again.value.code == "charge_already_refunded"
    listed = await shop.platform.v1.refunds.list_async({"payment_intent": intent.id})
    assert sum(refund.amount for refund in listed.data) == 40001


async def test_a_refund_without_the_transfer_is_the_platforms(shop: Shop) -> None:
    seller = await shop.seller()
    intent = await shop.paid(seller)
    await shop.platform.v1.refunds.create_async({"payment_intent": intent.id})
    assert (await shop.net(seller), await shop.net()) == (4500, 325 - 5000)


async def test_what_cannot_be_refunded(shop: Shop) -> None:
    unpaid, paid = await shop.intent(), await shop.paid()
    bad: list[Any] = [
        {"payment_intent": unpaid.id},
        {"payment_intent": paid.id, "amount": 5001},
        {"payment_intent": paid.id, "amount": 0},
        {"payment_intent": paid.id, "reverse_transfer": True},
        {"payment_intent": paid.id, "refund_application_fee": True},
        {"charge": "ch_nothing"},
        {},
    ]
    for params in bad:
        with pytest.raises(stripe.InvalidRequestError):
            await shop.platform.v1.refunds.create_async(params)
    assert await shop.net() == 4825


async def test_a_refund_that_fails_later(shop: Shop) -> None:
    intent = await shop.paid(card="pm_card_refundFail")
    refund = await shop.platform.v1.refunds.create_async({"payment_intent": intent.id})
    assert (await shop.platform.v1.refunds.retrieve_async(refund.id)).status == "failed"
    assert await shop.net() == 4825
    assert (await shop.types())[-2:] == ["refund.failed", "charge.refund.updated"]


@pytest.mark.parametrize("outcome", ["won", "lost"])
async def test_a_dispute(shop: Shop, outcome: str) -> None:
    intent = await shop.paid(await shop.seller())
    before = await shop.net()
    opened = await shop.control("POST", "/disputes", payment_intent=intent.id, reason="product_not_received")
    assert await shop.net() == before - 5000 - 1500
    with pytest.raises(stripe.InvalidRequestError) as refused:
        await shop.platform.v1.refunds.create_async({"payment_intent": intent.id})
    assert refused.value.code == "charge_disputed"
    await shop.control("POST", f"/disputes/{opened['id']}/close", outcome=outcome)
    found = await shop.platform.v1.disputes.retrieve_async(opened["id"])
    assert (found.status, found.reason) == (outcome, "product_not_received")
    assert await shop.net() == before - 1500 - (0 if outcome == "won" else 5000)
    told = [type.removeprefix("charge.dispute.") for type in await shop.types() if "dispute" in type]
    assert told[:2] == ["created", "funds_withdrawn"] and told[-1] == "closed"
    assert ("funds_reinstated" in told) == (outcome == "won")
    # The money that was won is the platform's again, to be refunded as any.
    assert found.is_charge_refundable is (outcome == "won")
    if outcome == "won":
        whole: Any = {"payment_intent": intent.id, **BACK}
        refund = await shop.platform.v1.refunds.create_async(whole)
        assert (refund.status, refund.amount) == ("succeeded", 5000)
        return
    with pytest.raises(stripe.InvalidRequestError) as refused:
        await shop.platform.v1.refunds.create_async({"payment_intent": intent.id})
    assert refused.value.code == "charge_disputed"


async def test_a_card_that_disputes_and_evidence_that_wins(shop: Shop) -> None:
    intent = await shop.paid(card="pm_card_createDispute")
    dispute = (await shop.platform.v1.disputes.list_async({"payment_intent": intent.id})).data[0]
    assert dispute.status == "needs_response"
    answered = await shop.platform.v1.disputes.update_async(
        dispute.id, {"evidence": {"uncategorized_text": "winning_evidence"}}
    )
    assert answered.status == "won"
    with pytest.raises(stripe.InvalidRequestError):
        await shop.platform.v1.disputes.close_async(dispute.id)
