"""Connected accounts and what moves between them and the platform."""

from __future__ import annotations

import pytest
import stripe

from tests.sandbox.shop import BACK, REFRESH, Shop


async def _link(shop: Shop, account: str) -> stripe.AccountLink:
    return await shop.platform.v1.account_links.create_async(
        {"account": account, "type": "account_onboarding", "refresh_url": REFRESH, "return_url": BACK}
    )


async def test_onboarding_is_a_page_with_one_form(shop: Shop) -> None:
    account = await shop.account()
    found = await shop.platform.v1.accounts.retrieve_async(account)
    assert (found.charges_enabled, found.payouts_enabled, found.details_submitted) == (False, False, False)
    link = await _link(shop, account)
    async with shop.http.get(link.url) as page:
        text = await page.text()
        assert (page.status, text.count("<form"), "action=" in text) == (200, 1, False)
    async with shop.http.post(link.url, allow_redirects=False) as page:
        assert (page.status, page.headers["Location"]) == (303, BACK)
    found = await shop.platform.v1.accounts.retrieve_async(account)
    assert (found.charges_enabled, found.payouts_enabled, found.details_submitted) == (True, True, True)
    assert found.capabilities is not None and found.capabilities.transfers == "active"
    # Single use.
    async with shop.http.post(link.url, allow_redirects=False) as page:
        assert page.headers["Location"] == REFRESH
    events = await shop.platform.v1.events.list_async(None, {"stripe_account": account})
    assert [(event.type, event.account) for event in events.data] == [("account.updated", account)]


async def test_a_link_is_good_for_minutes(shop: Shop) -> None:
    link = await _link(shop, await shop.account())
    await shop.control("POST", "/clock", advance=301)
    for method in ("GET", "POST"):
        async with shop.http.request(method, link.url, allow_redirects=False) as page:
            assert (page.status, page.headers["Location"]) == (303, REFRESH)
    async with shop.http.get(f"{shop.url}/_sandbox/onboarding/nonsense") as page:
        assert page.status == 404


async def test_the_dashboard_is_for_who_is_through(shop: Shop) -> None:
    account = await shop.account()
    with pytest.raises(stripe.InvalidRequestError, match="onboarding"):
        await shop.platform.v1.accounts.login_links.create_async(account)
    await shop.control("POST", f"/accounts/{account}/onboard")
    link = await shop.platform.v1.accounts.login_links.create_async(account)
    for status in (200, 404):
        async with shop.http.get(link.url) as page:
            assert page.status == status


async def test_a_destination_charge_moves_money(shop: Shop) -> None:
    seller = await shop.seller()
    intent = await shop.paid(seller)
    found = await shop.platform.v1.payment_intents.retrieve_async(
        intent.id, {"expand": ["latest_charge.transfer", "latest_charge.application_fee"]}
    )
    charge = found.latest_charge
    assert isinstance(charge, stripe.Charge)
    assert isinstance(charge.transfer, stripe.Transfer) and isinstance(charge.application_fee, stripe.ApplicationFee)
    assert (charge.transfer.amount, charge.transfer.destination) == (5000, seller)
    assert (charge.application_fee.amount, charge.application_fee.account) == (500, seller)
    assert (await shop.net(), await shop.net(seller)) == (5000 - 175 - 5000 + 500, 5000 - 500)


async def test_what_cannot_be_a_destination(shop: Shop) -> None:
    with pytest.raises(stripe.InvalidRequestError) as unknown:
        await shop.intent("acct_nobody")
    assert unknown.value.code == "resource_missing"
    with pytest.raises(stripe.InvalidRequestError) as unfinished:
        await shop.intent(await shop.account())
    assert unfinished.value.code == "insufficient_capabilities_for_transfer"
    seller = await shop.seller()
    await shop.control("POST", f"/accounts/{seller}/restrict", charges_enabled=False, payouts_enabled=False)
    with pytest.raises(stripe.InvalidRequestError):
        await shop.intent(seller)
    with pytest.raises(stripe.InvalidRequestError):
        await shop.platform.v1.payment_intents.create_async(
            {"amount": 1000, "currency": "usd", "application_fee_amount": 100}
        )


async def test_transfers_and_reversals(shop: Shop) -> None:
    seller = await shop.seller()
    transfers = shop.platform.v1.transfers
    with pytest.raises(stripe.InvalidRequestError) as poor:
        await transfers.create_async({"amount": 100, "currency": "usd", "destination": seller})
    assert poor.value.code == "balance_insufficient"
    intent = await shop.paid(seller)
    assert isinstance(intent.latest_charge, str)
    first = (await transfers.list_async({"destination": seller})).data[0]
    await transfers.reversals.create_async(first.id, {"amount": 2000})
    reversal = await transfers.reversals.create_async(first.id)
    assert reversal.amount == 3000
    with pytest.raises(stripe.InvalidRequestError):
        await transfers.reversals.create_async(first.id)
    found = await transfers.retrieve_async(first.id)
    assert (found.reversed, len(found.reversals.data)) == (True, 2)
    assert await shop.net(seller) == -500
    again = await transfers.create_async(
        {"amount": 5000, "currency": "usd", "destination": seller, "source_transaction": intent.latest_charge}
    )
    assert (again.source_transaction, await shop.net(seller)) == (intent.latest_charge, 4500)


async def test_money_is_pending_first(shop: Shop) -> None:
    await shop.paid()
    before = await shop.platform.v1.balance.retrieve_async()
    assert (before.available[0].amount, before.pending[0].amount) == (0, 4825)
    await shop.control("POST", "/clock", advance=3 * 24 * 3600)
    after = await shop.platform.v1.balance.retrieve_async()
    assert (after.available[0].amount, after.pending[0].amount) == (4825, 0)
