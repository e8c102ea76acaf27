"""Receipts: one for what was paid, one for what was given back, to the client."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from email.message import EmailMessage

import pytest

from domain.payments import PaymentAction, PaymentNotice, in_words
from handlers.notifications.receipts import receipts_job
from store.database import ClientSession
from tests.bookings.market import Somebody
from tests.harness.devices import TIMEOUT_SECONDS
from tests.harness.mail_server import plain_of
from tests.harness.work import work_off
from tests.notifications.pushed import Pushed

AT = datetime(2027, 2, 1, 15, 0, tzinfo=UTC)


async def commit(pushed: Pushed, client: Somebody, trainer: Somebody, action: PaymentAction, amount: int) -> None:
    """As a payment does, without its entry in the log."""
    notice = PaymentNotice(
        transaction_id="a" * 24,
        effect=f"{action}:{client.id}",
        action=action,
        credits=5,
        amount=amount,
        currency="usd",
        client_user_id=client.id,
        trainer_user_id=trainer.id,
        trainer_id=trainer.profile,
        conversation_id="b" * 24,
        balance=5,
        version=1,
        at=AT,
    )

    async def body(session: ClientSession) -> None:
        await pushed.market.store.receipts.add(notice, session=session)

    await pushed.market.store.database.transaction(body)


async def mailed(pushed: Pushed, *people: Somebody) -> list[EmailMessage]:
    """To these, once nothing waits any more."""
    pushed.market.clock.now = max(pushed.market.clock.now, AT)
    rows = pushed.market.nodes[0].database.collection("receiptMails")
    async with asyncio.timeout(TIMEOUT_SECONDS):
        while await rows.count_documents({}):
            await work_off(receipts_job(pushed.market.nodes[0].context), pushed.market.clock)
            await asyncio.sleep(0.01)
    found = []
    while not pushed.desk.taken.empty():
        (to,), message = pushed.desk.taken.get_nowait()
        if to in {one.user.email for one in people}:
            found.append(message)
    return found


async def test_what_is_paid_and_given_back_has_a_receipt(pushed: Pushed) -> None:
    client, trainer = await pushed.market.client(), await pushed.market.somebody("trainer")
    assert (await pushed.market.call("PATCH", "/me", {"timeZone": "Europe/Berlin"}, client)).status == 200
    await commit(pushed, client, trainer, "paid", 22500)
    (mail,) = await mailed(pushed, client, trainer)
    assert (mail["Subject"], mail["To"]) == ("Your receipt", client.user.email)
    text = plain_of(mail)
    for line in ("Sessions: 5", "Amount: 225.00 USD", "Date: 2027-02-01 16:00 (Europe/Berlin, UTC+01:00)"):
        assert line in text.splitlines()
    assert ".payment." in mail["List-Unsubscribe"]
    await commit(pushed, client, trainer, "refunded", 4500)
    (mail,) = await mailed(pushed, client, trainer)
    assert mail["Subject"] == "Your refund" and "Amount: 45.00 USD" in plain_of(mail).splitlines()
    await commit(pushed, client, trainer, "disputed", 4500)
    assert await mailed(pushed, client, trainer) == []


async def test_who_does_not_want_them_gets_none(pushed: Pushed) -> None:
    client, trainer = await pushed.market.client(), await pushed.market.somebody("trainer")
    off = {"kinds": [{"kind": "payment", "channels": {"mail": False}}]}
    assert (await pushed.market.call("PUT", "/me/notifications", off, client)).status == 200
    await commit(pushed, client, trainer, "paid", 22500)
    assert await mailed(pushed, client, trainer) == []


@pytest.mark.parametrize(
    ("amount", "currency", "words"),
    [(22500, "usd", "225.00 USD"), (5, "eur", "0.05 EUR"), (500, "jpy", "500 JPY"), (1234, "kwd", "1.234 KWD")],
)
def test_amounts_in_words(amount: int, currency: str, words: str) -> None:
    assert in_words(amount, currency) == words
