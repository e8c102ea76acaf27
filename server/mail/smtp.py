"""Mail over SMTP: a bounded queue, a few workers, retries with growing pauses that hold up nobody else.

In development, without a mail server, mail is printed so that a code can be read off the terminal.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import TextIO
from urllib.parse import unquote, urlsplit
from uuid import uuid4

import aiosmtplib
import msgspec
import structlog
from aiosmtplib.errors import SMTPException, SMTPRecipientsRefused, SMTPResponseException, SMTPSenderRefused

from domain.errors import DomainError
from domain.networks import is_loopback_host
from handlers.mail_rendering import Mail
from server.mail.message import address_of, to_message
from server.mail.retry_queue import MailQueue, WaitingMail
from store.concurrency import cancelled

# Before a mail is written, for which its text is rendered: the answer that it belongs to leaves first, or its time
# would tell whether there was one.
_BEFORE_SECONDS = 0.1


class PrintedMailer:
    def __init__(self, out: TextIO | None = None) -> None:
        self._out = out or sys.stdout
        self._waiting: dict[int, tuple[Mail, asyncio.TimerHandle]] = {}

    def send(self, mail: Mail) -> None:
        timer = asyncio.get_running_loop().call_later(_BEFORE_SECONDS, self._print, mail)
        self._waiting[id(mail)] = mail, timer

    async def deliver(self, mail: Mail) -> bool:
        self._print(mail)
        return True

    def _print(self, mail: Mail) -> None:
        self._waiting.pop(id(mail), None)
        rule = "-" * 72
        self._out.write(f"{rule}\nMail to {mail.to}: {mail.subject}\n\n{mail.text}{rule}\n")
        self._out.flush()

    async def start(self) -> None:
        """Nothing to start."""

    async def stop(self) -> None:
        for mail, timer in list(self._waiting.values()):
            timer.cancel()
            self._print(mail)

    async def drop_unwanted(self) -> None:
        """Nothing waits for long."""


log = structlog.get_logger(__name__)

_PORTS = {"smtp": 25, "smtps": 465}
# For a QUIT that changes nothing.
_QUIT_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class MailServer:
    """Where mail is handed in. ``smtps`` is TLS at once; ``smtp`` upgrades by STARTTLS when the server offers it, and
    insists on it where a password would else be sent in the clear: whoever is in between can take the offer away."""

    host: str
    port: int
    tls: bool
    username: str | None = None
    password: str | None = field(default=None, repr=False)

    @property
    def start_tls(self) -> bool | None:
        """As aiosmtplib has it: None upgrades when that is offered."""
        if self.tls:
            return False
        return True if self.password is not None and not is_loopback_host(self.host) else None

    @classmethod
    def from_url(cls, url: str) -> MailServer:
        """``smtp[s]://[user:password@]host[:port]``; raises ValueError, without repeating the URL."""
        parts = urlsplit(url)
        if parts.scheme not in _PORTS or not parts.hostname:
            raise ValueError("SMTP_URL has to be smtp://host or smtps://host")
        return cls(
            host=parts.hostname,
            port=parts.port or _PORTS[parts.scheme],
            tls=parts.scheme == "smtps",
            username=unquote(parts.username) if parts.username else None,
            password=unquote(parts.password) if parts.password else None,
        )


@dataclass(frozen=True, slots=True)
class MailTimings:
    """``pauses`` between tries, at least one, ``timeout`` of one, ``drain`` at shutdown; seconds. ``queue`` mails may
    wait, and those of the workers come back to them.

    ``before`` the first try the answer leaves that a mail belongs to: the work of handing it in must not show in the
    time of an answer that is the same with and without one. It counts from when the mail was queued.

    ``away``: the longest pause before a server that was away is tried again.
    """

    before: float = _BEFORE_SECONDS
    pauses: tuple[float, ...] = (1, 4, 15, 60, 180)
    timeout: float = 20
    away: float = 15
    drain: float = 8
    queue: int = 1000
    workers: int = 2


# Of each mail, whether its owner is still there.
AreWanted = Callable[[Sequence[Mail]], Awaitable[Sequence[bool]]]


async def _all_wanted(waiting: Sequence[Mail]) -> Sequence[bool]:
    return [True] * len(waiting)


class NotTaken(Exception):
    """``cause``: what happened. ``away``: before the recipient was named, so that no mail would have been taken."""

    def __init__(self, cause: Exception, *, away: bool) -> None:
        self.cause = cause
        self.away = away

    @property
    def kind(self) -> str:
        return type(self.cause).__name__

    @property
    def is_final(self) -> bool:
        return is_final(self.cause)


class SmtpMailer:
    """``wanted`` is asked before each try of a mail that waited here; it may raise ``unavailable``."""

    def __init__(
        self,
        url: str,
        sender: str,
        timings: MailTimings | None = None,
        public_url: str | None = None,
        wanted: AreWanted = _all_wanted,
    ) -> None:
        self._place = MailServer.from_url(url)
        self._sender = address_of(sender)
        self._timings = timings or MailTimings()
        self._public_url = public_url
        self._wanted = wanted
        self._queue = MailQueue(self._timings.pauses, self._timings.away, monotonic)
        # Whose turn it is may be another's now.
        self._changed = asyncio.Event()
        self._all_over = asyncio.Event()
        self._workers: list[asyncio.Task[None]] = []

    @property
    def waiting(self) -> list[Mail]:
        return self._queue.mails

    def send(self, mail: Mail) -> None:
        """Queue it. When the queue is full the mail is dropped and logged: every code can be asked for again."""
        if len(self._queue) >= self._timings.queue:
            log.error("mail_dropped", reason="the queue is full")
            return
        if mail.key is None:
            # On each of its tries it is the same message.
            mail = msgspec.structs.replace(mail, key=uuid4().hex)
        self._queue.add(mail, self._timings.before)
        self._all_over.clear()
        self._changed.set()

    async def drop_unwanted(self) -> None:
        """Forget the mails whose owners are gone while they wait for their turn, which is as long as a slow mail server
        makes it. Raises ``unavailable``."""
        waiting = self.waiting
        if not waiting:
            return
        wanted = await self._wanted(waiting)
        self._queue.drop({id(mail) for mail, is_wanted in zip(waiting, wanted, strict=True) if not is_wanted})
        self._look()

    async def deliver(self, mail: Mail) -> bool:
        """One try, past the queue. What the server refuses for good is not worth another."""
        try:
            await self._hand_in(mail)
        except NotTaken as error:
            log.warning("mail_failed", error=error.kind, final=error.is_final)
            return error.is_final
        return True

    async def start(self) -> None:
        self._workers = [asyncio.create_task(self._work()) for _ in range(self._timings.workers)]

    async def stop(self) -> None:
        """Deliver what waits, for a while; from here on nothing pauses for long between tries."""
        self._queue.hurry()
        self._look()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._all_over.wait(), self._timings.drain)
        if left := self._queue.left:
            log.error("mail_dropped", reason="shutdown", count=left)
        await cancelled(self._workers)

    def _look(self) -> None:
        """The queue has changed."""
        self._changed.set()
        if not self._queue.left:
            self._all_over.set()

    async def _work(self) -> None:
        while True:
            one = await self._next()
            try:
                await self._try(one)
            except Exception as error:
                # Neither the recipient nor the code belongs in a log.
                log.error("mail_failed", error=type(error).__name__)
            finally:
                self._queue.over()
                self._look()

    async def _next(self) -> WaitingMail:
        while True:
            self._changed.clear()
            one, seconds = self._queue.take()
            if one is not None:
                return one
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), seconds)

    async def _try(self, one: WaitingMail) -> None:
        """Once: what fails for now goes back into the queue."""
        try:
            if not all(await self._wanted([one.mail])):
                return
            await self._hand_in(one.mail)
        except DomainError as error:
            # Of any other it could not be told either whether it is wanted.
            self._failed(one, type(error).__name__, away=True)
        except NotTaken as error:
            if not error.is_final:
                self._failed(one, error.kind, away=error.away)
                return
            log.error("mail_failed", error=error.kind)
            if not error.away:
                self._queue.answered()
        else:
            self._queue.taken()

    def _failed(self, one: WaitingMail, kind: str, *, away: bool) -> None:
        pause = self._queue.failed(one, away=away)
        if pause is None:
            log.error("mail_failed", error=kind)
        else:
            log.warning("mail_retried", error=kind, pause=pause)

    async def _hand_in(self, mail: Mail) -> None:
        """Raises ``NotTaken``."""
        message = to_message(mail, self._sender, self._public_url)
        client = aiosmtplib.SMTP(
            hostname=self._place.host,
            port=self._place.port,
            use_tls=self._place.tls,
            start_tls=self._place.start_tls,
            username=self._place.username,
            password=self._place.password,
            timeout=self._timings.timeout,
        )
        reached = False
        try:
            # The library bounds each step; a server that answers each of them late would have many times as long.
            async with asyncio.timeout(self._timings.timeout):
                await client.connect()
                reached = True
                await client.send_message(message)
            # The mail is theirs now: a server that hangs here must not have it sent again.
            with contextlib.suppress(SMTPException, OSError, TimeoutError):
                async with asyncio.timeout(_QUIT_SECONDS):
                    await client.quit()
        except (SMTPException, OSError, TimeoutError) as error:
            raise NotTaken(error, away=not reached or isinstance(error, SMTPSenderRefused)) from error
        finally:
            # Without a QUIT if anything failed: the library's own waits for an answer once more.
            client.close()


def is_final(error: Exception) -> bool:
    """Whether the server has refused for good (a 5xx answer)."""
    if isinstance(error, SMTPRecipientsRefused):
        return all(is_final(one) for one in error.recipients)
    return isinstance(error, SMTPResponseException) and error.code >= 500
