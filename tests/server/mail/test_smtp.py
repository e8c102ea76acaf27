"""Mail against a real SMTP server."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
from aiosmtpd.smtp import SMTP

from domain.errors import DomainError, unavailable
from handlers.mail_rendering import Mail
from handlers.mails import Codes, reset_code
from server.mail import smtp
from server.mail.smtp import MailTimings, PrintedMailer, SmtpMailer, SmtpPlace
from tests.harness.mail_server import SENDER, Desk, a_mail, plain_of, served, taken

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
        assert [mail.to for mail, _ in mailer._waiting()] == ["bob@example.com", "carl@example.com"]
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


def test_urls_are_read() -> None:
    assert SmtpPlace.from_url("smtp://mail.example") == SmtpPlace("mail.example", 25, False)
    assert SmtpPlace.from_url("smtps://u%40x:p%3Aw@mail.example:4465") == SmtpPlace(
        "mail.example", 4465, True, "u@x", "p:w"
    )
    assert "p:w" not in repr(SmtpPlace("mail.example", 25, False, "u", "p:w"))
    for url in ("http://mail.example", "smtp://", "mail.example"):
        with pytest.raises(ValueError, match="SMTP_URL"):
            SmtpPlace.from_url(url)


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
    assert SmtpPlace.from_url(url).start_tls is how
