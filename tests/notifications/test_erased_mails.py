"""Mails that wait for a slow mail server when their owner is erased: none is handed in, and none goes on waiting."""

from __future__ import annotations

import asyncio
from email.message import EmailMessage

from bson import ObjectId

from handlers.bookings.mailing import booking_mails_job
from server.mail.smtp import SmtpMailer
from tests.bookings.market import Somebody
from tests.harness.devices import TIMEOUT_SECONDS
from tests.harness.work import work_off
from tests.notifications.pushed import Pushed


async def asked(pushed: Pushed, address: str) -> None:
    assert (await pushed.market.call("POST", "/auth/forgot-password", {"email": address})).status == 202


async def registered(pushed: Pushed, address: str) -> None:
    body = {"email": address, "password": "correct horse battery", "role": "client", "name": "Ann"}
    assert (await pushed.market.call("POST", "/auth/register", body)).status == 202


async def mailed(pushed: Pushed, until: str) -> list[tuple[str, EmailMessage]]:
    """All that came, up to the first to this address."""
    found: list[tuple[str, EmailMessage]] = []
    async with asyncio.timeout(TIMEOUT_SECONDS):
        while not found or found[-1][0] != until:
            (to,), message = await pushed.desk.taken.get()
            found.append((to, message))
    return found


async def test_what_waits_in_memory_is_dropped(pushed: Pushed) -> None:
    market, desk = pushed.market, pushed.desk
    mailer = market.nodes[0].mailer
    assert isinstance(mailer, SmtpMailer)
    who, *others = [await market.client() for _ in range(4)]
    address = who.user.email
    # The workers wait with these for a server that hangs.
    desk.open.clear()
    try:
        for other in others[:2]:
            tries = desk.tries
            await asked(pushed, other.user.email)
            async with asyncio.timeout(TIMEOUT_SECONDS):
                while desk.tries == tries:
                    desk.tried.clear()
                    await desk.tried.wait()
        await asked(pushed, address)
        await registered(pushed, address)
        assert await market.store.erasures.erase(who.user, market.clock()) is not None
        # Somebody else may be of this address from here on.
        await registered(pushed, address)
        await asked(pushed, others[2].user.email)
        await mailer.drop_unwanted()
        waiting = [one for one in mailer.waiting if one.to == address]
        assert [(one.to, one.subject) for one in waiting] == [(address, "Your Spotter code")]
    finally:
        desk.open.set()
    came = [message["Subject"] for to, message in await mailed(pushed, others[2].user.email) if to == address]
    assert came in ([], ["Your Spotter code"])


async def test_rows_of_mails_go_without_a_mail(pushed: Pushed) -> None:
    market = pushed.market
    trainer = await market.trainer()
    client = await market.client(trainer)
    pushed.desk.replies = ["451 later"] * 6
    await market.booked(client, trainer, market.at(9, days=2))
    rows = market.nodes[0].database.collection("bookingMails")
    own = {"user": ObjectId(client.id)}
    assert await market.store.erasures.erase(client.user, market.clock()) is not None
    async with asyncio.timeout(TIMEOUT_SECONDS):
        while await rows.find_one(own):
            market.clock.advance(seconds=1)
            await work_off(booking_mails_job(market.nodes[0].context), market.clock)
            await asyncio.sleep(0.01)
    pushed.desk.replies.clear()
    assert client.user.email not in await all_addressees(pushed, trainer)


async def all_addressees(pushed: Pushed, other: Somebody) -> set[str]:
    """Whoever got a mail, once the other has one."""
    found: set[str] = set()
    async with asyncio.timeout(TIMEOUT_SECONDS):
        while other.user.email not in found:
            pushed.market.clock.advance(seconds=1)
            await work_off(booking_mails_job(pushed.market.nodes[0].context), pushed.market.clock)
            while not pushed.desk.taken.empty():
                found.add(pushed.desk.taken.get_nowait()[0][0])
            await asyncio.sleep(0.01)
    return found
