"""A digest of unread messages: after a while, once, to whoever wants it."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from email.message import EmailMessage

import pytest

from handlers.notifications.digests import digests_job
from store.undelivered import EACH
from tests.bookings.market import Somebody
from tests.harness.call_gates import CallGate
from tests.harness.devices import TIMEOUT_SECONDS
from tests.harness.mail_server import plain_of
from tests.harness.work import work_off
from tests.notifications.pushed import PUBLIC, Pushed


class Digests(Pushed):
    async def pass_hours(self, hours: float) -> None:
        """Once it was found who has unread messages."""
        self.market.clock.advance(seconds=EACH["digest"].total_seconds())
        await self.scan()
        self.market.clock.advance(hours=hours)
        await self.scan()
        async with asyncio.timeout(TIMEOUT_SECONDS):
            while await self._rows("digests", {"dueAt": {"$lte": self.market.clock() + timedelta(seconds=61)}}):
                await work_off(digests_job(self.market.nodes[0].context), self.market.clock)
                await asyncio.sleep(0.01)

    def mails(self, *people: Somebody) -> list[EmailMessage]:
        """Digests to these, of those that came since."""
        found = []
        while not self.desk.taken.empty():
            found.append(self.desk.taken.get_nowait())
        wanted = {one.user.email for one in people}
        return [message for (to,), message in found if to in wanted]


@pytest.fixture
def digests(pushed: Pushed) -> Digests:
    return Digests(pushed.market, pushed.apns, pushed.fcm, pushed.desk)


async def test_unread_messages_are_told_once_and_not_quoted(digests: Digests) -> None:
    client, trainer, conversation = await digests.pair()
    other = await digests.market.client()
    await digests.market.people.acquaint(other.id, trainer.id)
    await digests.send(client, conversation, "a secret")
    await digests.send(client, conversation, "another")
    await digests.pass_hours(0.5)
    assert digests.mails(client, trainer, other) == []
    await digests.pass_hours(1)
    (mail,) = digests.mails(client, trainer, other)
    assert (mail["To"], mail["Subject"]) == (trainer.user.email, "3 unread messages for you")
    text = plain_of(mail)
    assert "- 2 from client " in text and "- 1 from client " in text and "secret" not in mail.as_string()
    assert mail["List-Unsubscribe"].startswith(f"<{PUBLIC}/v1/unsubscribe/{trainer.id}.message.")
    # Neither again, nor more of it before the next day.
    await digests.pass_hours(2)
    await digests.send(client, conversation, "third")
    await digests.pass_hours(2)
    assert digests.mails(trainer) == []
    await digests.pass_hours(20)
    (mail,) = digests.mails(trainer)
    assert mail["Subject"] == "3 unread messages for you"


async def test_what_is_sent_while_a_digest_is_handed_in_is_told_by_the_next(
    digests: Digests, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The scan of that moment finds the row claimed, and looks at the conversation once."""
    client, trainer, conversation = await digests.pair()
    node = digests.market.nodes[0]
    await digests.send(client, conversation, "first")
    digests.market.clock.advance(seconds=EACH["digest"].total_seconds())
    await digests.scan()
    digests.market.clock.advance(hours=2)
    gate = CallGate(node.context.mailer.deliver)
    monkeypatch.setattr(node.context.mailer, "deliver", gate)
    mailing = asyncio.create_task(work_off(digests_job(node.context), digests.market.clock))
    await gate.entered.wait()
    await digests.send(client, conversation, "second")
    digests.market.clock.advance(seconds=EACH["digest"].total_seconds())
    await digests.scan()
    gate.opened.set()
    await mailing
    (mail,) = digests.mails(trainer)
    assert mail["Subject"] == "1 unread message for you"
    await digests.pass_hours(24)
    (mail,) = digests.mails(trainer)
    assert mail["Subject"] == "2 unread messages for you"


async def test_who_has_read_or_muted_or_does_not_want_it_gets_none(digests: Digests) -> None:
    market = digests.market
    reader, muter, unwilling, paused, blocker = [await digests.pair() for _ in range(5)]
    for client, _, conversation in (reader, muter, unwilling, paused, blocker):
        await digests.send(client, conversation, "hello")
    await digests.mark(reader[1], reader[2], seen=2)
    sides = (await market.store.conversations.participants([muter[2]]))[muter[2]]
    (side,) = [one for one in sides if one.user_id == muter[1].id]
    await market.store.conversations.mute(side.id, market.clock() + timedelta(days=9), market.clock())
    off = {"kinds": [{"kind": "message", "channels": {"mail": False}}]}
    assert (await market.call("PUT", "/me/notifications", off, unwilling[1])).status == 200
    assert (await market.call("PATCH", "/me", {"isActive": False}, paused[1])).status == 200
    assert (await market.call("PUT", f"/me/blocks/{blocker[0].id}", None, blocker[1])).status == 204
    control = await digests.pair()
    await digests.send(control[0], control[2], "hello")
    await digests.pass_hours(2)
    (mail,) = digests.mails(*(pair[1] for pair in (reader, muter, unwilling, paused, blocker, control)))
    assert mail["To"] == control[1].user.email


async def test_a_mail_server_that_is_down_gets_the_same_later(digests: Digests) -> None:
    client, trainer, conversation = await digests.pair()
    await digests.send(client, conversation, "hello")
    digests.market.clock.advance(seconds=EACH["digest"].total_seconds())
    await digests.scan()
    digests.desk.replies = ["451 later"]
    digests.market.clock.advance(hours=2)
    await digests.scan()
    async with asyncio.timeout(TIMEOUT_SECONDS):
        while not (found := digests.mails(trainer)):
            await work_off(digests_job(digests.market.nodes[0].context), digests.market.clock)
            digests.market.clock.advance(seconds=1)
            await asyncio.sleep(0.01)
    assert [one["Subject"] for one in found] == ["1 unread message for you"]
    assert digests.desk.replies == []


async def test_quiet_hours_hold_a_digest_back(digests: Digests) -> None:
    client, trainer, conversation = await digests.pair()
    now = digests.market.clock().replace(minute=0)
    hours = [f"{(now + timedelta(hours=by)).hour:02d}:00" for by in (0, 5)]
    quiet = {"startTime": hours[0], "endTime": hours[1], "timeZone": "UTC"}
    assert (await digests.market.call("PUT", "/me/notifications", {"quietHours": quiet}, trainer)).status == 200
    await digests.send(client, conversation, "hello")
    await digests.pass_hours(2)
    assert digests.mails(trainer) == []
    await digests.pass_hours(3)
    assert len(digests.mails(trainer)) == 1
