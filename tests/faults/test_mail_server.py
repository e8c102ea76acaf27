"""The mail server hangs: everything else goes on, and afterwards each mail that is owed goes out, once."""

from __future__ import annotations

import asyncio
import email.policy
import socket
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from mailbox import Maildir
from pathlib import Path
from time import monotonic
from typing import Any

import aiohttp
import pytest
import structlog
from aiosmtpd.smtp import SMTP

from handlers.mail_rendering import Mail
from server.app import utc_now
from server.draining import DRAIN_SECONDS
from server.mail.message import address_of, to_message
from server.mail.smtp import MailTimings, SmtpMailer
from tests.faults.proxy import proxy
from tests.harness.devices import TIMEOUT_SECONDS, device
from tests.harness.freezing import frozen
from tests.harness.mail_server import SENDER, Desk, a_mail, served, taken
from tests.harness.nodes import RunningNode, running_node
from tests.harness.people import People

# Three times what a command may take, and what a node's end may take.
ANSWERED_WITHIN_SECONDS = 36.0
DRAINED_WITHIN_SECONDS = 3 * DRAIN_SECONDS
# Each try is short, and there are many.
IMPATIENT = MailTimings(pauses=(0.05,) * 200, timeout=0.3, drain=5)
OWED = 5


@dataclass(frozen=True)
class MailServer:
    """aiosmtpd in a process of its own."""

    process: Process
    port: int
    folder: Path

    def recipients(self) -> list[str]:
        """Of all that it took, one a mail."""
        return sorted(str(mail["X-RcptTo"]) for mail in Maildir(self.folder))

    async def until_taken(self, count: int) -> None:
        async with asyncio.timeout(3 * TIMEOUT_SECONDS):
            while len(self.recipients()) < count:  # noqa: ASYNC110 - another process writes them
                await asyncio.sleep(0.02)


@pytest.fixture
async def mail_server(tmp_path: Path) -> AsyncIterator[MailServer]:
    folder = tmp_path / "mails"
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    handler = ["-c", "aiosmtpd.handlers.Mailbox", str(folder)]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "aiosmtpd", "-n", "-l", f"127.0.0.1:{port}", *handler
    )
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                except OSError:
                    await asyncio.sleep(0.02)
                else:
                    writer.close()
                    break
        yield MailServer(process, port, folder)
    finally:
        process.kill()
        await process.wait()


@dataclass(frozen=True)
class Mailing:
    running: RunningNode
    http: aiohttp.ClientSession

    async def registered(self, address: str) -> float:
        """After how many seconds it was answered."""
        began = monotonic()
        body = {"email": address, "password": "correct horse battery", "role": "client", "name": "Ann"}
        async with self.http.post(f"{self.running.url}/v1/auth/register", json=body) as answer:
            assert answer.status == 202, await answer.text()
        return monotonic() - began


@pytest.fixture
async def mailing(
    mail_server: MailServer, database_url: str, redis_url: str, tmp_path: Path
) -> AsyncIterator[Mailing]:
    url = f"smtp://127.0.0.1:{mail_server.port}"
    async with (
        running_node(database_url, redis_url, tmp_path / "node", SMTP_URL=url) as running,
        aiohttp.ClientSession() as http,
    ):
        yield Mailing(running, http)


async def test_registrations_are_answered_while_it_is_frozen(mail_server: MailServer, mailing: Mailing) -> None:
    """It accepts connections, as the kernel does for it, and says nothing."""
    node = mailing.running.node
    people = People(node.store, node.tokens, utc_now)
    client, _, conversation = await people.pair()
    addresses = [f"{number}@example.com" for number in range(OWED)]
    async with device(mailing.running.url, client) as phone:
        with frozen(mail_server.process.pid):
            took = await asyncio.gather(*map(mailing.registered, addresses))
            assert (await phone.send(conversation, "meanwhile"))["seq"] == 1
            assert mail_server.recipients() == []
        assert max(took) < ANSWERED_WITHIN_SECONDS
        await mail_server.until_taken(OWED)
    await mailing.registered("last@example.com")
    await mail_server.until_taken(OWED + 1)
    await node.mailer.stop()
    assert mail_server.recipients() == sorted([*addresses, "last@example.com"])


async def test_the_node_ends_in_time_while_it_is_frozen(mail_server: MailServer, mailing: Mailing) -> None:
    node = mailing.running.node
    assert isinstance(node.mailer, SmtpMailer)
    with frozen(mail_server.process.pid):
        for number in range(OWED):
            await mailing.registered(f"{number}@example.com")
        with structlog.testing.capture_logs() as logs:
            async with asyncio.timeout(DRAINED_WITHIN_SECONDS):
                await node.stop()
    assert all(worker.done() for worker in node.mailer._workers)
    assert [line["count"] for line in logs if line["event"] == "mail_dropped"] == [OWED]
    assert [line for line in logs if line["event"] == "drain ran out of time"] == []


@asynccontextmanager
async def impatient(port: int) -> AsyncIterator[SmtpMailer]:
    mailer = SmtpMailer(f"smtp://127.0.0.1:{port}", SENDER, IMPATIENT)
    await mailer.start()
    yield mailer
    await mailer.stop()


def send(mailer: SmtpMailer, *names: int) -> list[str]:
    addresses = [f"{name}@example.com" for name in names]
    for address in addresses:
        mailer.send(a_mail(address, "012345"))
    return addresses


async def all_taken(desk: Desk, addresses: list[str]) -> None:
    assert sorted([(await taken(desk))[0][0] for _ in addresses]) == sorted(addresses)


async def test_what_was_swallowed_is_sent_again() -> None:
    desk = Desk()
    async with served(desk) as port, proxy(f"smtp://127.0.0.1:{port}") as way:
        way.blackhole()
        async with impatient(way.port) as mailer:
            addresses = send(mailer, *range(OWED))
            async with asyncio.timeout(TIMEOUT_SECONDS):
                while way.accepted < 4:  # noqa: ASYNC110 - tries that time out
                    await asyncio.sleep(0.01)
            await way.pass_through()
            await all_taken(desk, addresses)
    assert desk.taken.empty()


@contextmanager
def swallowing_syns() -> Iterator[int]:
    """The port of a socket whose queue is full: the kernel drops whoever knocks."""
    with socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        place = listening.getsockname()
        waiting = [socket.socket() for _ in range(4)]
        try:
            for one in waiting:
                one.setblocking(False)
                one.connect_ex(place)
            yield place[1]
        finally:
            for one in waiting:
                one.close()


async def test_a_server_that_cannot_even_be_connected_to() -> None:
    desk = Desk()
    with structlog.testing.capture_logs() as logs:
        with swallowing_syns() as port:
            mailer = SmtpMailer(f"smtp://127.0.0.1:{port}", SENDER, IMPATIENT)
            await mailer.start()
            addresses = send(mailer, *range(OWED))
            async with asyncio.timeout(TIMEOUT_SECONDS):
                while not any(line["event"] == "mail_retried" for line in logs):  # noqa: ASYNC110 - tries time out
                    await asyncio.sleep(0.01)
        loop = asyncio.get_running_loop()
        async with await loop.create_server(lambda: SMTP(desk, loop=loop), "127.0.0.1", port):
            await all_taken(desk, addresses)
            await mailer.stop()
    assert desk.taken.empty()


class LosesAnswers(Desk):
    """Takes the first mail and does not say so."""

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        answer = await super().handle_DATA(server, session, envelope)
        if self.tries == 1:
            await asyncio.Event().wait()
        return answer


async def test_a_mail_whose_answer_was_lost_is_the_same_message_again() -> None:
    """SMTP knows no better: who reads it is shown it once."""
    desk = LosesAnswers()
    async with served(desk) as port, impatient(port) as mailer:
        send(mailer, 1)
        found = [(await taken(desk))[1]["Message-ID"] for _ in range(2)]
    assert found[0] == found[1]
    assert desk.taken.empty()


class HangsAtTheEnd(Desk):
    async def handle_QUIT(self, server: Any, session: Any, envelope: Any) -> str:
        await asyncio.Event().wait()
        return "221 Bye"


@pytest.mark.parametrize("at_once", [True, False])
async def test_what_was_accepted_is_not_sent_again_whatever_follows(at_once: bool) -> None:
    desk = HangsAtTheEnd()
    async with served(desk) as port, impatient(port) as mailer:
        if at_once:
            assert await mailer.deliver(a_mail("1@example.com", "012345"))
        else:
            send(mailer, 1)
        await all_taken(desk, ["1@example.com"])
    assert (desk.tries, desk.taken.qsize()) == (1, 0)


def test_a_mail_with_a_key_is_one_message_on_every_node() -> None:
    sender = address_of(SENDER)

    def message_id(key: str | None) -> str:
        mail = Mail(to="ann@example.com", subject="Hello", template="password_changed", key=key)
        found = email.message_from_bytes(to_message(mail, sender).as_bytes(), policy=email.policy.default)
        return str(found["Message-ID"])

    assert message_id("one") == message_id("one") != message_id("other")
    assert message_id(None) != message_id(None)
