"""Mail against a real SMTP server."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP

from domain.errors import DomainError, unavailable
from handlers.mail_rendering import Mail
from handlers.mails import Codes, reset_code
from server.mail import smtp
from server.mail.smtp import MailServer, MailTimings, PrintedMailer, SmtpMailer
from tests.harness.mail_server import SENDER, Desk, a_mail, plain_of, served, taken
from tests.harness.waiting import until

QUICK = MailTimings(before=0, pauses=(0.01, 0.01, 0.01), timeout=5, drain=5)


@asynccontextmanager
async def mailing(desk: Desk, timings: MailTimings = QUICK) -> AsyncIterator[SmtpMailer]:
    async with served(desk) as port:
        mailer = SmtpMailer(f"smtp://127.0.0.1:{port}", SENDER, timings)
        await mailer.start()
        yield mailer
        await mailer.stop()


async def test_a_printed_mail_is_written_after_the_answer_it_belongs_to_and_none_is_lost_at_the_end() -> None:
    out = io.StringIO()
    mailer = PrintedMailer(out)
    mailer.send(a_mail("ann@people.test", "123456"))
    await asyncio.sleep(0)
    assert out.getvalue() == ""
    async with asyncio.timeout(10):
        while "123456" not in out.getvalue():  # noqa: ASYNC110 - it says nothing by itself
            await asyncio.sleep(0.01)
    mailer.send(a_mail("ann@people.test", "654321"))
    await mailer.stop()
    assert out.getvalue().count("123456") == out.getvalue().count("654321") == 1


async def test_mails_that_wait_do_not_pause_one_after_the_other() -> None:
    """The pause lets an answer leave; in a backlog it is over for all of them."""
    before, count = 0.5, 20
    loop = asyncio.get_running_loop()
    desk = Desk()
    async with mailing(desk, MailTimings(before=before, workers=1)) as mailer:
        queued = loop.time()
        for number in range(count):
            mailer.send(a_mail(f"p{number}@example.com", "012345"))
        await taken(desk)
        assert loop.time() - queued >= before
        for _ in range(count - 1):
            await taken(desk)
        assert loop.time() - queued < count * before / 2


async def test_the_plain_part_carries_the_code_alone_on_a_line() -> None:
    desk = Desk()
    async with mailing(desk) as mailer:
        mailer.send(a_mail("ann@example.com", "012345"))
        recipients, message = await taken(desk)
    assert recipients == ["ann@example.com"]
    assert (message["To"], message["From"]) == ("ann@example.com", SENDER)
    assert "012345" in plain_of(message).splitlines()


async def test_a_mail_may_have_two_parts() -> None:
    desk = Desk()
    async with mailing(desk) as mailer:
        mailer.send(Mail(to="ann@example.com", subject="Grüße", template="password_changed"))
        _, message = await taken(desk)
    assert message["Subject"] == "Grüße"
    plain, rich = message.get_body(("plain",)), message.get_body(("html",))
    assert plain is not None and rich is not None
    assert plain.get_content().startswith("Your password was changed")
    assert ">Your password was changed" in rich.get_content() and ">Grüße</h1>" in rich.get_content()


async def test_an_address_beyond_ascii_is_delivered() -> None:
    desk = Desk()
    async with mailing(desk) as mailer:
        mailer.send(a_mail("jos\u00e9@example.com", "012345"))
        recipients, _ = await taken(desk)
    assert recipients == ["jos\u00e9@example.com"]


async def test_a_passing_refusal_is_tried_again() -> None:
    desk = Desk(["451 later", "421 busy"])
    async with mailing(desk) as mailer:
        mailer.send(a_mail("ann@example.com", "012345"))
        await taken(desk)
    assert desk.tries == 3


async def test_a_final_refusal_is_not_tried_again_and_the_next_mail_goes_out(
    capsys: pytest.CaptureFixture[str],
) -> None:
    desk = Desk(["554 no"])
    async with mailing(desk) as mailer:
        mailer.send(a_mail("bob@example.com", "543210"))
        mailer.send(a_mail("ann@example.com", "012345"))
        recipients, _ = await taken(desk)
    assert len(recipients) == 1
    assert desk.tries == 2
    logged = capsys.readouterr().out
    assert "mail_failed" in logged
    assert not any(secret in logged for secret in ("bob@", "ann@", "543210", "012345"))


class Greylisting(Desk):
    """Refuses all recipients of one domain for now, one by one."""

    def __init__(self, domain: str = "grey.example") -> None:
        super().__init__()
        self.domain = domain
        # By recipient, when it was named.
        self.named: asyncio.Queue[tuple[str, float]] = asyncio.Queue()

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: list[str]) -> str:
        self.named.put_nowait((address, asyncio.get_running_loop().time()))
        if address.endswith(self.domain):
            return "451 4.7.1 come back later"
        envelope.rcpt_tos.append(address)
        return "250 OK"


async def test_mails_that_are_refused_for_now_hold_up_nobody_else() -> None:
    desk = Greylisting()
    async with mailing(desk, MailTimings(before=0, pauses=(60,) * 5, drain=0.2)) as mailer:
        for number in range(2 * QUICK.workers):
            mailer.send(a_mail(f"{number}@grey.example", "012345"))
        mailer.send(a_mail("ann@example.com", "012345"))
        assert (await taken(desk))[0] == ["ann@example.com"]
        # One of them may be at the server in this moment.
        await until(lambda: len(mailer.waiting) == 2 * QUICK.workers)


async def test_a_mail_that_is_refused_for_now_is_given_up_after_its_tries() -> None:
    desk = Greylisting()
    async with mailing(desk) as mailer:
        mailer.send(a_mail("1@grey.example", "012345"))
        async with asyncio.timeout(10):
            await mailer._all_over.wait()
    assert desk.named.qsize() == len(QUICK.pauses) + 1


async def test_a_server_that_refuses_all_who_wait_has_their_further_tries_apart() -> None:
    """A first try is what each would cost a server that takes it."""
    apart, count = 0.2, 20
    desk = Greylisting("example.com")
    async with mailing(desk, MailTimings(before=0, pauses=(apart,) * 5, drain=0.2)) as mailer:
        for number in range(count):
            mailer.send(a_mail(f"{number}@example.com", "012345"))
        async with asyncio.timeout(10):
            for _ in range(count):
                await desk.named.get()
            further = [await desk.named.get() for _ in range(5)]
        # Altogether: what a busy machine delays one by brings it near the next.
        assert further[-1][1] - further[0][1] > (len(further) - 1) * apart / 2
        # Once it takes one, the others go on.
        desk.domain = "grey.example"
        assert {(await taken(desk))[0][0] for _ in range(count)} == {f"{n}@example.com" for n in range(count)}


async def test_a_server_that_is_away_is_probed_by_one_mail_at_a_time_which_costs_the_others_no_try() -> None:
    """There are as many tries as there are mails: had each used its own up at once, none would be left."""
    apart, count, loop = 0.1, 8, asyncio.get_running_loop()
    desk, probes = Desk(), asyncio.Queue[float]()

    async def away(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        probes.put_nowait(loop.time())
        writer.write(b"421 busy\r\n")
        await reader.read()
        writer.close()

    timings = MailTimings(before=0, pauses=(apart,), timeout=5, drain=5)
    async with await asyncio.start_server(away, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        mailer = SmtpMailer(f"smtp://127.0.0.1:{port}", SENDER, timings)
        await mailer.start()
        for number in range(count):
            mailer.send(a_mail(f"{number}@example.com", "012345"))
        async with asyncio.timeout(10):
            begun = [await probes.get() for _ in range(count - 1)]
    # Until the first has failed nobody knows: each worker has one.
    apart_by = begun[-1] - begun[timings.workers - 1]
    assert apart_by > (len(begun) - timings.workers) * apart / 2
    async with await loop.create_server(lambda: SMTP(desk, loop=loop), "127.0.0.1", port):
        assert {(await taken(desk))[0][0] for _ in range(count)} == {f"{n}@example.com" for n in range(count)}
        await mailer.stop()


async def test_a_server_that_is_away_is_waited_for() -> None:
    desk = Desk()
    async with served(desk) as port:
        pass
    mailer = SmtpMailer(f"smtp://127.0.0.1:{port}", SENDER, MailTimings(pauses=(0.05,) * 100, timeout=5))
    await mailer.start()
    mailer.send(a_mail("ann@example.com", "012345"))
    server = await asyncio.get_running_loop().create_server(lambda: SMTP(desk), "127.0.0.1", port)
    async with server:
        await taken(desk)
        await mailer.stop()


async def test_sending_never_waits_and_a_full_queue_drops() -> None:
    desk = Desk()
    desk.open.clear()
    async with mailing(desk, MailTimings(queue=2, workers=1, timeout=5, drain=5)) as mailer:
        mailer.send(a_mail("0@example.com", "012345"))
        await desk.tried.wait()
        for n in range(1, 5):
            mailer.send(a_mail(f"{n}@example.com", "012345"))
        desk.open.set()
        assert [(await taken(desk))[0] for _ in range(3)] == [[f"{n}@example.com"] for n in range(3)]
    assert desk.taken.empty()


async def test_a_mail_of_somebody_who_is_gone_is_not_handed_in() -> None:
    """Neither what was tried before, nor what waits behind a server that hangs; that is dropped where it waits."""
    gone: set[str] = set()
    down = [unavailable()]

    async def wanted(waiting: Sequence[Mail]) -> list[bool]:
        if gone and down:
            raise down.pop()
        return [one.owner is None or one.owner.id not in gone for one in waiting]

    def mail_of(name: str) -> Mail:
        return reset_code(f"{name}@example.com", Codes(digits="012345", link="f" * 48), name)

    desk = Desk(["451 later"])
    timings = MailTimings(before=0, pauses=(0.3,) * 3, timeout=5, drain=5, workers=1)
    async with served(desk) as port:
        mailer = SmtpMailer(f"smtp://127.0.0.1:{port}", SENDER, timings, wanted=wanted)
        await mailer.start()
        mailer.send(mail_of("ann"))
        await desk.tried.wait()
        for name in ("bob", "ann", "carl", "ann"):
            mailer.send(mail_of(name))
        gone.add("ann")
        with pytest.raises(DomainError):
            await mailer.drop_unwanted()
        await mailer.drop_unwanted()
        assert [mail.to for mail in mailer.waiting] == ["bob@example.com", "carl@example.com"]
        assert [(await taken(desk))[0] for _ in range(2)] == [["bob@example.com"], ["carl@example.com"]]
        await mailer.stop()
    assert desk.taken.empty() and desk.tries == 3


async def test_what_waits_is_delivered_at_shutdown() -> None:
    desk = Desk()
    async with served(desk) as port:
        mailer = SmtpMailer(f"smtp://127.0.0.1:{port}", SENDER, QUICK)
        await mailer.start()
        for n in range(20):
            mailer.send(a_mail(f"{n}@example.com", "012345"))
        await mailer.stop()
        assert desk.taken.qsize() == 20


async def test_shutdown_does_not_wait_for_a_server_that_is_away() -> None:
    async with served(Desk()) as port:
        pass
    mailer = SmtpMailer(f"smtp://127.0.0.1:{port}", SENDER, MailTimings(pauses=(60,) * 5, drain=0.2))
    await mailer.start()
    mailer.send(a_mail("ann@example.com", "012345"))
    async with asyncio.timeout(5):
        await mailer.stop()


@pytest.mark.parametrize(
    "to", ["ann@example.com\r\nBcc: x@example.com", "ann@example.com, x@example.com", "<x@example.com>", "Ann"]
)
async def test_headers_cannot_be_injected(to: str) -> None:
    desk = Desk()
    async with mailing(desk) as mailer:
        mailer.send(Mail(to=to, subject="Hello", template="password_changed"))
        mailer.send(Mail(to="ann@example.com", subject="Hello\r\nBcc: x@example.com", template="password_changed"))
    assert desk.tries == 0


async def test_a_mail_that_waits_for_its_next_try_is_forgotten_with_its_owner() -> None:
    gone: set[str] = set()

    async def wanted(waiting: Sequence[Mail]) -> list[bool]:
        return [one.owner is not None and one.owner.id not in gone for one in waiting]

    desk = Desk(["451 later"])
    async with served(desk) as port:
        mailer = SmtpMailer(f"smtp://127.0.0.1:{port}", SENDER, MailTimings(before=0, pauses=(60,)), wanted=wanted)
        await mailer.start()
        mailer.send(reset_code("ann@example.com", Codes(digits="012345", link="f" * 48), "ann"))
        async with asyncio.timeout(10):
            await desk.tried.wait()
            while not mailer.waiting:  # noqa: ASYNC110 - the answer is on its way
                await asyncio.sleep(0.01)
        gone.add("ann")
        await mailer.drop_unwanted()
        assert mailer.waiting == []
        await mailer.stop()
    assert desk.tries == 1


def test_urls_are_read() -> None:
    assert MailServer.from_url("smtp://mail.example") == MailServer("mail.example", 25, False)
    assert MailServer.from_url("smtps://u%40x:p%3Aw@mail.example:4465") == MailServer(
        "mail.example", 4465, True, "u@x", "p:w"
    )
    assert "p:w" not in repr(MailServer("mail.example", 25, False, "u", "p:w"))
    for url in ("http://mail.example", "smtp://", "mail.example"):
        with pytest.raises(ValueError, match="SMTP_URL"):
            MailServer.from_url(url)


async def test_a_password_is_sent_to_no_server_that_hides_its_starttls(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever is in between can take the offer out of its answer; on the machine itself nobody is."""
    said = bytearray()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail\r\n")
        while line := await reader.readline():
            said.extend(line)
            writer.write(b"250-mail\r\n250 AUTH PLAIN LOGIN\r\n" if line.startswith(b"EHLO") else b"535 no\r\n")
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        mailer = SmtpMailer(f"smtp://u:hush@127.0.0.1:{server.sockets[0].getsockname()[1]}", SENDER, QUICK)
        await mailer.deliver(a_mail("ann@example.com", "123456"))
        assert b"AUTH" in said
        said.clear()
        monkeypatch.setattr(smtp, "is_loopback_host", lambda host: False)
        assert not await mailer.deliver(a_mail("ann@example.com", "123456"))
        assert b"EHLO" in said
        assert b"AUTH" not in said
        assert b"MAIL" not in said


@pytest.mark.parametrize(
    ("url", "how"),
    [
        ("smtp://mail.example", None),
        ("smtp://u:hush@mail.example:587", True),
        ("smtp://u:hush@localhost", None),
        ("smtps://u:hush@mail.example", False),
    ],
)
def test_when_starttls_is_insisted_on(url: str, how: bool | None) -> None:
    assert MailServer.from_url(url).start_tls is how
